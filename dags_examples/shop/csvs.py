"""The shop's CSVs: orders, customers and items of ten nights, the same in every run.

Two deliveries are bad. That of `REFUSED` has blank and negative prices, which a check refuses; the
shop delivers that night again. That of `CENTS` delivers a night a second time with prices in cents
where euros are meant, which passes every check of the DAG.

    python -m dags_examples.shop.csvs FOLDER
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
REFUSED, CENTS = NIGHTS[5], NIGHTS[-1]
AGAIN = 2
"""The number of the second delivery that two nights have."""
COUNTRIES = ("DE", "FR", "NO", "PT")
ITEMS = {"shirt": 40.0, "scarf": 25.0, "hat": 19.5, "shoe": 80.0, "belt": 32.0, "coat": 149.0}
ORDERS, FIRST_CUSTOMERS, NEW_CUSTOMERS = 240, 60, 3

Row = dict[str, object]


def write_csvs(folder: Path) -> None:
    """Write the CSVs of all deliveries, as ``2026-11-01/1/orders.csv``."""
    for night in NIGHTS:
        write_delivery(folder, night, 1)
    for night in (REFUSED, CENTS):
        write_delivery(folder, night, AGAIN)


def write_delivery(folder: Path, night: str, number: int) -> None:
    """Write the CSVs of one delivery of a night."""
    target = folder / night / str(number)
    target.mkdir(parents=True, exist_ok=True)
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
    for line in range(ORDERS + chance.randrange(-20, 20)):
        item = chance.choice(list(ITEMS))
        found.append(
            {
                "order": day * 1_000 + line,
                "customer": 1 + chance.randrange(FIRST_CUSTOMERS + day * NEW_CUSTOMERS),
                "item": item,
                "quantity": 1 + int(chance.expovariate(1.5)),
                "price": ITEMS[item],
                "ordered_at": f"{night}T{chance.randrange(24):02d}:{chance.randrange(60):02d}:00Z",
            }
        )
    if (night, number) == (REFUSED, 1):
        for row in found[:5]:
            row["price"] = None
        for row in found[5:7]:
            row["price"] = -1.0
    if (night, number) == (CENTS, AGAIN):
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
    return [
        {"item": item, "price": price, "stock": chance.randrange(50, 500)}
        for item, price in ITEMS.items()
    ]


def main(arguments: Sequence[str]) -> None:
    """Write the CSVs into the folder that is named."""
    (folder,) = arguments
    write_csvs(Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
