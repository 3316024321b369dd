"""One function three ways, without Airflow: ``python -m streaming`` in this folder's parent."""

from __future__ import annotations

import sys

from streaming import ways

import airflow_sfx as sfx


def main(day: str = "2013-01-02") -> None:
    """Compute the features of a day's flights in three ways, and print the comparison."""
    ways.store_history(ways.day_before(day))
    for table, compute in (("in_batch", ways.in_batch), ("served", ways.served)):
        sfx.store_dataframe(compute(day), ways.DATABASE, table, partition_by=["day"])
    ways.streamed(day)
    print(ways.compared(day))  # noqa: T201
    sfx.compact(ways.DATABASE, "streamed", [day.replace("-", "")], reason="the day is over")
    print("compacted:", ways.compared(day), sep="\n")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:2])
