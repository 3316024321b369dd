"""The registry is the warehouse's log: versions, aliases, history, holds, and who is affected."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.errors import (
    BatchNotFound,
    CommitConflict,
    InconsistentBatch,
    InvalidName,
    ModelRefused,
    PartitionNotFound,
    StaleAttempt,
)
from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.log.promotion import save_of
from airflow_sfx.models.pin import ModelPin
from airflow_sfx.models.registry import ModelRegistry
from tests.models.conftest import flights


def slope(value: float) -> Coefficients:
    return Coefficients({"distance": value})


def saved(models: ModelRegistry, train: sfx.BatchPin, value: float, **options) -> ModelPin:
    options = {"metrics": {"mae": value}, **options}
    return models.save(slope(value), "delays", inputs={"train": train}, target="delay", **options)


def test_a_saved_model_is_loaded_with_all_that_it_was_made_of(
    models, warehouse, train, pipeline
) -> None:
    test = warehouse.store_dataframe(flights(50, 1), "air", "flights", ["20161101"])
    pin = models.save(
        pipeline,
        "delays",
        inputs={"train": train, "test": test},
        target="late",
        params={"folds": 5},
        metrics={"auc": 0.81},
        card={"owner": "Ada"},
        reason="first",
    )
    model = models.load("delays@latest")
    assert (model.name, model.version) == (pin.name, pin.version)
    assert model.inputs == {"train": train, "test": test}
    assert (model.metrics, model.params["folds"], model.params["model__C"]) == (
        {"auc": 0.81},
        5,
        1.0,
    )
    frame = warehouse.load_dataframe(model.inputs["train"])
    assert (model.predict(frame) == pipeline.predict(frame)).all()
    assert "## Owner\n\nAda" in model.card
    assert "test_registry.py" in " ".join(model.entries)
    for source in (pin, str(pin), "delays"):
        assert models.load(source).version == pin.version


def test_the_same_content_is_the_same_version(models, train, warehouse) -> None:
    first, second = saved(models, train, 0.1), saved(models, train, 0.2)
    assert first != second
    assert saved(models, train, 0.2, reason="again") == second
    assert len(models.history("delays", "latest")) == 2, "nothing new was stored"
    assert saved(models, train, 0.1) == first
    assert models.aliases("delays")["latest"] == first.version
    assert [one.pin for one in models.versions("delays")] == [second, first]
    again = warehouse.store_dataframe(flights(), "air", "flights", ["20161031"])
    assert saved(models, again, 0.1) not in (first, second), "other batches"


def test_a_version_is_described_by_its_save_though_it_was_saved_again(models, train) -> None:
    first, second = saved(models, train, 0.1, reason="first"), saved(models, train, 0.2)
    assert saved(models, train, 0.1, reason="again") == first
    table, aliases = models._registry().table("delays"), models.aliases("delays")
    assert save_of(table, first, aliases) == models.versions("delays")[1]
    found = save_of(table, first, aliases)
    assert (found.reason, found.aliases, found.metrics) == ("first", ("latest",), {"mae": 0.1})
    assert save_of(table, second, aliases).aliases == ()
    with pytest.raises(BatchNotFound, match="sfx model list delays"):
        save_of(table, ModelPin("delays", "20010101000000"), aliases)


def test_an_alias_has_a_history_and_is_rolled_back(models, train) -> None:
    first, second = saved(models, train, 0.1), saved(models, train, 0.2)
    before = datetime.now(UTC)
    models.promote("delays", first, reason="first")
    between = datetime.now(UTC)
    models.promote("delays", second.version, reason="nightly")
    models.promote("delays", "@production", to="candidate")
    assert models.rollback("delays", reason="too slow") == first
    assert models.resolve("delays@production") == first
    assert models.resolve("delays@candidate") == second
    assert models.resolve("delays@production", as_of=between) == first
    with pytest.raises(PartitionNotFound):
        models.resolve("delays@production", as_of=before)
    history = models.history("delays")
    assert [(one.operation.value, one.batch_id, one.reason) for one in history] == [
        ("rollback", first.version, "too slow"),
        ("publish", second.version, "nightly"),
        ("publish", first.version, "first"),
    ]
    assert models.promote("delays", second) == second
    assert models.rollback("delays", to=first) == first
    with pytest.raises(BatchNotFound):
        models.rollback("delays", "candidate")


def test_versions_are_a_table_with_a_column_for_each_metric(models, train) -> None:
    first = saved(models, train, 0.1, reason="one")
    second = saved(models, train, 0.2, metrics={"mae": 0.2, "auc": 0.9})
    models.promote("delays", first)
    frame = models.versions("delays").to_pandas()
    assert frame["version"].tolist() == [first.version, second.version]
    assert frame["metric_mae"].tolist() == [0.1, 0.2]
    assert frame["aliases"].tolist() == ["production", "latest"]
    assert [one.pin for one in models.versions("delays", limit=1)] == [second]
    assert models.list() == ["delays"]
    with pytest.raises(InvalidName, match="negative"):
        models.versions("delays", limit=-1)


def test_a_promotion_compares_what_is_expected(models, train) -> None:
    first, second = saved(models, train, 0.1), saved(models, train, 0.2)
    with pytest.raises(CommitConflict):
        models.promote("delays", first, expected=second)
    models.promote("delays", first, expected=None)
    with pytest.raises(CommitConflict):
        models.promote("delays", second, expected=None)
    with pytest.raises(CommitConflict):
        models.rollback("delays", expected=second)
    assert models.promote("delays", second, expected=first.version) == second


def test_an_older_attempt_of_a_task_neither_saves_nor_promotes(models, train) -> None:
    task = {"dag_id": "nightly", "run_id": "r1", "task_id": "train"}
    older, newer = (sfx.Producer(**task, try_number=number) for number in (1, 2))
    second = saved(models, train, 0.2, producer=newer)
    with pytest.raises(StaleAttempt):
        saved(models, train, 0.1, producer=older)
    models.promote("delays", second, producer=newer)
    first = models.save(slope(0.3), "delays", inputs={"train": train})
    with pytest.raises(StaleAttempt):
        models.promote("delays", first, producer=older)
    assert models.resolve("delays@production") == second


def test_the_training_batches_are_held_as_long_as_the_version_exists(
    models, warehouse, train
) -> None:
    pin = saved(models, train, 0.1)
    (held,) = warehouse.holding("air", "flights")[-1:]
    assert (held.pin, held.until, held.name) == (train, None, f"model {pin}")
    assert str(pin) in held.reason
    for _ in range(3):
        warehouse.store_dataframe(flights(5), "air", "flights", ["20161031"])
    warehouse.retain("air", "flights", keep_last=1, older_than=timedelta(0), dry_run=False)
    assert models.verify(pin).ok
    assert len(warehouse.load_dataframe(models.load(pin).inputs["train"])) == len(flights())


def test_the_models_that_were_trained_on_a_batch_are_found_at_any_depth(
    models, warehouse, train
) -> None:
    features = warehouse.store_dataframe(
        flights(100), "air", "features", ["20161031"], inputs=[train]
    )
    other = warehouse.store_dataframe(flights(100, 7), "air", "other", ["20161031"])
    direct, through = saved(models, train, 0.1), saved(models, features, 0.2)
    saved(models, other, 0.3)
    models.promote("delays", through)
    found = {one.pin: one.aliases for one in models.affected(train)}
    assert found == {direct: (), through: ("production",)}


def test_verify_says_what_is_not_as_it_was_saved(models, warehouse, train, tmp_path) -> None:
    pin = saved(models, train, 0.1)
    assert models.verify("delays").ok
    root = Path(warehouse.uri.removeprefix("embedded://"))
    manifest = root / f"air.db/flights/_sfx/batches/{train.batch_id}/manifest"
    kept = manifest.read_bytes()
    manifest.unlink()
    report = models.verify(pin)
    assert not report.ok
    assert "the train batch air.flights 20161031@" in report.problems[0]
    manifest.write_bytes(kept)
    (artifact,) = root.glob(f"models.db/delays/latest/{pin.version}/*.zip")
    content = artifact.read_bytes()
    artifact.chmod(0o644)
    artifact.write_bytes(content[:-30] + b"x" + content[-29:])
    assert "not a model artifact" in models.verify(pin).problems[0]
    with pytest.raises(ModelRefused):
        models.promote("delays", pin)
    artifact.write_bytes(content[:-30])
    with pytest.raises(InconsistentBatch, match="bytes, not"):
        models.load(pin)
    assert models.aliases("delays") == {"latest": pin.version}


def test_a_model_whose_data_was_erased_says_which_and_when(models, warehouse) -> None:
    train = warehouse.store_dataframe(flights(), "air", "people", ["20161031"])
    pin = saved(models, train, 0.1)
    warehouse.erase("air", "people", where="carrier = 'UA'", dry_run=False, despite_pins=True)
    report = models.verify(pin)
    assert not report.ok
    assert f"20161031@{train.batch_id}" in report.problems[0]
    assert f"{datetime.now(UTC):%Y-%m-%d}" in report.problems[0]
    assert re.search(r"erased \d+ rows of 1 batch, chosen by carrier", report.problems[0])


def test_what_names_no_model_is_refused_with_what_there_is(models, train) -> None:
    with pytest.raises(PartitionNotFound, match="there is no model 'delays'"):
        models.load("delays@production")
    pin = saved(models, train, 0.1)
    with pytest.raises(PartitionNotFound, match="has no alias 'production' with a version"):
        models.load("delays@production")
    with pytest.raises(BatchNotFound, match="has no version 20161101002256"):
        models.load("delays/20161101002256")
    with pytest.raises(InvalidName, match="latest"):
        models.promote("delays", pin, to="latest")
    with pytest.raises(InvalidName, match="cannot be an alias"):
        models.promote("delays", pin, to="Production!")
    with pytest.raises(InvalidName, match="pass inputs="):
        models.save(slope(1.0), "delays")
    with pytest.raises(InvalidName, match="not a finite number"):
        models.save(slope(1.0), "delays", inputs={"train": train}, metrics={"auc": float("nan")})
    with pytest.raises(InvalidName, match="not a part of a card"):
        models.save(slope(1.0), "delays", inputs={"train": train}, card={"purpos": "x"})
    with pytest.raises(ModelRefused, match="cannot be read"):
        models.load("/nowhere/delays.zip")
    with pytest.raises(InvalidName, match="is not a version of the model delays"):
        models.promote("delays", ModelPin("other", pin.version))


def test_a_table_of_the_same_name_keeps_its_directory(models, warehouse, train) -> None:
    warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "models", "delays", ["20161031"])
    with pytest.raises(InvalidName, match=r"a table models\.delays already"):
        saved(models, train, 0.1)


def test_models_are_no_tables_of_the_warehouse(models, warehouse, train) -> None:
    models.promote("delays", saved(models, train, 0.1))
    assert [str(ref) for ref in warehouse.tables()] == ["air.flights"]
    assert warehouse.night().items == ()
    assert warehouse.stale() == []
    (made,) = warehouse.readers(train)
    assert made.pin.database == "models"


def test_two_promoters_at_once_leave_one_version_and_both_in_the_history(models, train) -> None:
    pins = [saved(models, train, 0.1 * number) for number in range(1, 5)]
    barrier = threading.Barrier(len(pins))

    def promote(pin: ModelPin) -> None:
        barrier.wait()
        models.promote("delays", pin, reason=pin.version)

    threads = [threading.Thread(target=promote, args=(pin,)) for pin in pins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = models.history("delays")
    assert sorted(one.batch_id for one in history) == sorted(pin.version for pin in pins)
    assert models.resolve("delays@production").version == history[0].batch_id


def test_rows_that_do_not_fit_are_refused_with_their_column(models, train) -> None:
    saved(models, train, 0.1)
    model = models.load("delays")
    assert model.predict([{"distance": 10}, {"distance": None}])[0] == 1.0
    for rows, says in (
        ([{"hour": 1}], "no column 'distance'"),
        ([{"distance": "far"}], r"'distance' \(double\) has 'far'"),
        ({"distance": [[1.0]]}, r"has \[1\.0\]: pass numbers"),
        (7, "int is not a frame"),
    ):
        with pytest.raises(sfx.SchemaMismatch, match=says):
            model.predict(rows)


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "records", "columns"])
def test_rows_of_every_kind_get_the_same_answers(models, train, pipeline, kind) -> None:
    models.save(pipeline, "late", inputs={"train": train}, target="late")
    frame = flights(40, 3)[["distance", "hour", "carrier"]]
    import polars as pl
    import pyarrow as pa

    rows = {
        "pandas": frame,
        "polars": pl.from_pandas(frame),
        "arrow": pa.Table.from_pandas(frame),
        "records": frame.to_dict("records"),
        "columns": frame.to_dict("list"),
    }[kind]
    assert (models.load("late").predict(rows) == pipeline.predict(frame)).all()


def test_the_models_of_a_run_are_rolled_back_with_its_data(models, warehouse) -> None:
    def night(run: str, seed: int) -> tuple[sfx.BatchPin, ModelPin]:
        by = {
            task: sfx.Producer(dag_id="nightly", run_id=run, task_id=task, try_number=1)
            for task in ("load", "train", "promote")
        }
        train = warehouse.store_dataframe(
            flights(50, seed), "air", "flights", ["20161031"], producer=by["load"]
        )
        pin = saved(models, train, 0.1 * seed, producer=by["train"])
        return train, models.promote("delays", pin, producer=by["promote"])

    good, first = night("r1", 1)
    night("r2", 2)
    audited = warehouse.audit_run(dag_id="nightly", run_id="r2")
    assert [report.table for report in audited] == ["air.flights", "models.delays"]
    plan = warehouse.rollback_run(dag_id="nightly", run_id="r2", dry_run=True)
    assert [one.gone for one in plan] == ["", ""]
    warehouse.rollback_run(dag_id="nightly", run_id="r2", reason="bad weather")
    assert warehouse.pin("air", "flights") == good
    assert models.aliases("delays") == {"latest": first.version, "production": first.version}
    assert models.history("delays")[0].reason == "bad weather"
    assert models.verify("delays@production").ok


def test_an_erasure_downstream_names_the_models_and_goes_on(models, warehouse, train) -> None:
    pin = saved(models, train, 0.1)
    report = warehouse.erase(
        "air",
        "flights",
        where="carrier = 'UA'",
        downstream=True,
        despite_pins=True,
        dry_run=False,
    )
    assert report.batches
    (named,) = report.downstream
    assert (named.table, named.batches) == ("models.delays", (("latest", pin.version),))
    assert (named.missing, named.report) == (("carrier",), None)


def test_a_promotion_adds_an_entry_and_no_manifest(models, warehouse, train) -> None:
    pin = saved(models, train, 0.1)
    before = {info.path for info in warehouse.store.list("models.db")}
    models.promote("delays", pin)
    made = {info.path for info in warehouse.store.list("models.db")} - before
    assert {path.split("/")[3] for path in made} <= {"log", "cards"}
