"""The shop's CSVs: orders, customers and items of ten nights, the same in every run.

Two deliveries are bad. The first one of `REFUSED` has blank and negative prices. The second one of
`CENTS` has prices in cents where euros are meant, which passes every check of the DAG.

Others are what CSVs are like, and change no type of a table: `UNCOUNTED` has a blank among the
stocks, so that pandas reads floats; `POINT_ZERO` has quantities such as ``2.0``; and on the nights
of `NO_GIFTS`, the first one among them, the column of gift notes is blank in every row.

    python -m dags_examples.shop.csvs FOLDER [NIGHT...]
"""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

CSVS = "SHOP_CSVS"
"""The variable of the environment that names the folder of the CSVs."""
NIGHTS = tuple(f"2026-11-{day:02d}" for day in range(1, 11))
UNCOUNTED, REFUSED, POINT_ZERO, CENTS = NIGHTS[4], NIGHTS[5], NIGHTS[6], NIGHTS[-1]
NO_GIFTS = (NIGHTS[0], NIGHTS[7])
COUNTRIES = ("DE", "FR", "NO", "PT")
ITEMS = {"shirt": 40.0, "scarf": 25.0, "hat": 19.5, "shoe": 80.0, "belt": 32.0, "coat": 149.0}
ORDERS, FIRST_CUSTOMERS, NEW_CUSTOMERS = 240, 60, 3

Row = dict[str, object]


def write_delivery(folder: Path, night: str) -> None:
    """Write the next delivery of a night: the first one is ``2026-11-01/1/orders.csv``."""
    number = len(list(folder.glob(f"{night}/*"))) + 1
    target = folder / night / str(number)
    target.mkdir(parents=True)
    for name, rows in (
        ("orders", orders(night, number)),
        ("customers", customers(night)),
        ("items", items(night)),
    ):
        with (target / f"{name}.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)


def orders(night: str, number: int) -> list[Row]:
    """Return the orders of a night, as a delivery has them."""
    chance, day = random.Random(night), NIGHTS.index(night)
    found: list[Row] = []
    for line in range(ORDERS + chance.randrange(-10, 10)):
        item = chance.choice(list(ITEMS))
        found.append(
            {
                "order": day * 1_000 + line,
                "customer": 1 + chance.randrange(FIRST_CUSTOMERS + day * NEW_CUSTOMERS),
                "item": item,
                "quantity": 1 + line % 3,
                "price": ITEMS[item],
                "gift": "to my love" if not line % 20 and night not in NO_GIFTS else None,
                "ordered_at": f"{night}T{chance.randrange(24):02d}:{chance.randrange(60):02d}:00Z",
            }
        )
    if night == POINT_ZERO:
        for row in found:
            row["quantity"] = f"{row['quantity']}.0"
    if (night, number) == (REFUSED, 1):
        for row in found[:5]:
            row["price"] = None
        for row in found[5:7]:
            row["price"] = -1.0
    if night == CENTS and number > 1:
        for row in found:
            row["price"] = round(float(str(row["price"])) / 100, 4)
    return found


def customers(night: str) -> list[Row]:
    """Return all customers that the shop has on a night."""
    chance, first = random.Random("customers"), date.fromisoformat(NIGHTS[0])
    known = FIRST_CUSTOMERS + NIGHTS.index(night) * NEW_CUSTOMERS
    return [
        {
            "customer": number,
            "email": f"customer{number}@example.com",
            "country": chance.choice(COUNTRIES),
            "since": first
            + timedelta(max(0, number - FIRST_CUSTOMERS + NEW_CUSTOMERS - 1) // NEW_CUSTOMERS),
        }
        for number in range(1, known + 1)
    ]


def items(night: str) -> list[Row]:
    """Return the items of a night, with their stock."""
    chance = random.Random(f"items of {night}")
    found: list[Row] = [
        {"item": item, "price": price, "stock": chance.randrange(50, 500)}
        for item, price in ITEMS.items()
    ]
    if night == UNCOUNTED:
        found[0]["stock"] = None
    return found


def main(arguments: Sequence[str]) -> None:
    """Write the next delivery of each night that is named, or of all, into a folder."""
    folder, *nights = arguments
    for night in nights or NIGHTS:
        write_delivery(Path(folder), night)


if __name__ == "__main__":
    main(sys.argv[1:])
