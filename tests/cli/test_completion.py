"""Tables and partitions are completed in the shell, soon and without an error."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

SFX = """\
import sys; sys.argv[0] = 'sfx'
from airflow_sfx.cli import completion; completion.SECONDS = 30  # this machine is busy
from airflow_sfx.cli.main import run; run()
"""


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


def test_batches_and_columns_are_completed(warehouse) -> None:
    table, uri = "sales.sold_items", warehouse.uri
    new, old = (entry.batch_id for entry in warehouse.history("sales", "sold_items"))
    sold = warehouse.load_dataframe("sales", "sold_items", ["20161031"])[["item"]]
    staged = warehouse.store_dataframe(
        sold.assign(colour="red"), "sales", "sold_items", ["20161101"], evolve="any", publish=False
    )
    other = warehouse.store_dataframe(sold, "sales", "other").batch_id
    for words in (
        ("rollback", table, "20161031", "--to", "2"),
        ("head", table, "20161031", "--batch", "2"),
        ("diff", table, "20161031", "2"),
        ("readers", table, "--batch", "2"),
    ):
        assert complete(uri, *words) == [new, old], words
    assert complete(uri, "diff", table, "20161031", "p") == ["previous"]
    assert complete(uri, "verify", "sales.other", "--batch", "2") == [other]
    assert complete(uri, "publish", table, "2") == [staged.batch_id]
    assert complete(uri, "discard", table, "--batch", "2") == [staged.batch_id]
    assert complete(uri, "drop-column", table, "p") == ["price"]
    assert complete(uri, "rename-column", table, "i") == ["item"]
    assert complete(uri, "diff", table, "20161031", "--key", "") == ["item", "price"]


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

    for words in (("show", "sa"), ("rollback", "sales.sold_items", "20161031", "--to", "2")):
        before = spent()
        assert complete(warehouse.uri, *words)
        assert spent() - before < 1
