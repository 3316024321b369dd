"""Results in a notebook: a table that one sees, and a DataFrame that one can compute with."""

from __future__ import annotations

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.results import Rows

SOLD = pd.DataFrame({"item": ["hat", "shoe"], "price": [19.5, 80.0]})


@pytest.fixture
def warehouse(embedded_uri):
    warehouse = sfx.connect(embedded_uri)
    ada = sfx.Producer(dag_id="nightly", run_id="r1", user="ada")
    for day, reason in (("1", "first"), ("2", "<b>second</b>")):
        warehouse.store_dataframe(SOLD, "shop", "sold", [day], producer=ada, reason=reason)
    return warehouse


def test_a_history_is_a_list_and_becomes_a_frame_of_its_entries(warehouse):
    entries = warehouse.history("shop", "sold")
    assert entries == list(entries)
    frame = entries.to_pandas()
    assert frame["partition"].tolist() == ["2", "1"]
    assert frame["operation"].tolist() == ["publish", "publish"]
    assert frame["producer.user"].tolist() == ["ada", "ada"]
    assert frame["at"].dtype.kind == "M"


def test_the_table_of_a_notebook_escapes_text_and_leaves_empty_columns_out(warehouse):
    shown = warehouse.history("shop", "sold")._repr_html_()
    assert "&lt;b&gt;second&lt;/b&gt;" in shown
    assert "producer.backfill_id" not in shown
    assert shown.startswith("<p>2 rows</p><table")
    assert warehouse.holds("shop", "sold")._repr_html_() == "<p>0 rows</p>"


@pytest.mark.parametrize(
    ("result", "column", "values"),
    [
        (lambda w: w.tables(), "table", ["sold"]),
        (lambda w: w.show("shop", "sold"), "partition", ["1", "2"]),
        (lambda w: w.audit("shop", "sold"), "reason", ["<b>second</b>", "first"]),
        (lambda w: w.verify(w.pin("shop", "sold")), "files", [2]),
        (lambda w: w.diff(w.pin("shop", "sold", ["1"]), w.pin("shop", "sold", ["2"])), "name",
         ["item", "price"]),
        (lambda w: w.stale(), None, []),
        (lambda w: w.readers(w.pin("shop", "sold")), None, []),
    ],
)  # fmt: skip
def test_results_become_frames_and_tables(warehouse, result, column, values):
    found = result(warehouse)
    frame = found.to_pandas()
    assert (frame[column].tolist() if column else frame.index.tolist()) == values
    count = len(values)
    assert found._repr_html_().startswith(f"<p>{count} row{'s' * (count != 1)}</p>")


def test_a_pin_an_entry_and_metrics_show_themselves(warehouse):
    pin, (newest, *_) = warehouse.pin("shop", "sold"), warehouse.history("shop", "sold")
    assert pin._repr_html_().startswith("<p>shop.sold: 2 batches</p><table><tr><th>1</th>")
    assert pin.batches["2"] in pin._repr_html_()
    shown = newest._repr_html_()
    assert shown.startswith("<p>2, version 2: publish</p>")
    assert "&lt;b&gt;second&lt;/b&gt;" in shown
    assert "previous" not in shown
    assert warehouse.metrics("shop", "sold")._repr_html_().startswith("<p>4 rows</p><table")


def test_a_long_list_is_shown_in_part_and_given_whole(warehouse):
    warehouse.hold(warehouse.pin("shop", "sold"), name="report")
    shown = Rows(warehouse.holds("shop", "sold", "report") * 70)
    assert "70 rows, of which 60 are shown" in shown._repr_html_()
    assert len(shown.to_pandas()) == 70
