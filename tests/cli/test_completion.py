"""Tables and partitions are completed in the shell, soon and without an error."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

SFX = "import sys; sys.argv[0] = 'sfx'; from airflow_sfx.cli.main import run; run()"


def complete(uri: str, *words: str) -> list[str]:
    """What bash is offered for the last of the words."""
    done = subprocess.run(
        [sys.executable, "-c", SFX],
        env={
            **os.environ,
            "SFX_WAREHOUSE": uri,
            "_SFX_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(("sfx", *words)),
            "COMP_CWORD": str(len(words)),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_commands_tables_and_partitions_are_completed(warehouse) -> None:
    sold = warehouse.load_dataframe("sales", "sold_items", ["20161031"])
    warehouse.store_dataframe(sold, "sales", "sold_items", ["20161101"])
    warehouse.store_dataframe(sold, "shop", "stock", ["1"])
    uri = warehouse.uri
    assert complete(uri, "hist") == ["history"]
    assert complete(uri, "show", "sa") == ["sales.sold_items"]
    assert complete(uri, "audit", "s") == ["sales.sold_items", "shop.stock"]
    assert complete(uri, "history", "sales.sold_items", "2016") == ["20161101", "20161031"]
    assert complete(uri, "diff", "sales.sold_items", "201611") == ["20161101"]
    assert complete("embedded:///none", "-w", uri, "show", "sh") == ["shop.stock"]


@pytest.mark.parametrize(
    "uri", ["nonsense", "embedded:///no/such/place", "hive://127.0.0.1:1?location=s3://a/b"]
)
def test_a_warehouse_that_cannot_be_read_gives_nothing_and_no_error(uri: str) -> None:
    assert complete(uri, "show", "sa") == []
    assert complete(uri, "history", "sales.sold_items", "2") == []


def test_a_suggestion_takes_less_than_a_second_of_work(warehouse) -> None:
    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = spent()
    assert complete(warehouse.uri, "show", "sa") == ["sales.sold_items"]
    assert spent() - before < 1
