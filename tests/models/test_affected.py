"""What removes or rolls back batches names the models that were trained on them."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pandas as pd
import pytest
from typer.testing import CliRunner

import airflow_sfx as sfx
from airflow_sfx.cli.main import app
from airflow_sfx.core.errors import InvalidName, ModelRefused, StaleAttempt
from airflow_sfx.models.describe.card import REQUIRED
from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.pin import ModelPin
from airflow_sfx.models.registry import ModelRegistry
from airflow_sfx.storage.local import LocalStore
from tests.models.conftest import flights

NIGHTLY = sfx.Producer(dag_id="nightly", run_id="r2", task_id="load", try_number=1)


def saved(models: ModelRegistry, train: sfx.BatchPin, slope: float = 0.1, **options) -> ModelPin:
    model = Coefficients({"distance": slope})
    return models.save(model, "delays", inputs={"train": train}, target="delay", **options)


@pytest.fixture
def bad(warehouse, train) -> sfx.BatchPin:
    """The batch of a later run, in the place of ``train``."""
    return warehouse.store_dataframe(
        flights(50, 1), "air", "flights", ["20161031"], producer=NIGHTLY
    )


def named(versions) -> list[tuple[str, tuple[str, ...]]]:
    return [(f"{one.model}/{one.version}", one.aliases) for one in versions]


def run(warehouse: sfx.Warehouse, *words: str, code: int = 0):
    done = CliRunner().invoke(app, ["--warehouse", warehouse.uri, *words])
    assert done.exit_code == code, done.output
    return done


def test_a_rollback_names_the_models_before_and_after(models, warehouse, train, bad) -> None:
    saved(models, train)
    pin = saved(models, bad, 0.2)
    models.promote("delays", pin)
    there = [(str(pin), ("latest", "production"))]
    plan = warehouse.plan_rollback("air", "flights", ["20161031"])
    assert named(plan.models) == there
    assert [one.batch_id for one in plan] == [train.batch_id]
    for dry in (True, False):
        (report,) = warehouse.rollback_run(dag_id="nightly", run_id="r2", dry_run=dry)
        assert named(report.models) == there


def test_retention_and_erasure_name_the_models(models, warehouse, train, bad) -> None:
    pin = saved(models, train)
    models.promote("delays", pin, to="candidate")
    there = [(str(pin), ("candidate", "latest"))]
    made = warehouse.store_dataframe(flights(9), "air", "features", ["20161031"], inputs=[bad])
    derived = saved(models, made, 0.3)
    plan = warehouse.erase("air", "flights", where="carrier = 'UA'")
    assert named(plan.models) == [(str(derived), ("latest",)), (str(pin), ("candidate",))]
    saved(models, train)  # is the latest again
    for hold in warehouse.holding("air", "flights"):
        warehouse.release("air", "flights", hold.name)
    for dry in (True, False):
        rule = {"keep_last": 1, "older_than": timedelta(0), "dry_run": dry}
        report = warehouse.retain("air", "flights", **rule)
        assert [one.batch_id for one in report.retired] == [train.batch_id]
        assert named(report.models) == there
    done = warehouse.erase("air", "flights", where="carrier = 'UA'", dry_run=False)
    assert named(done.models) == [(str(derived), ())]


def test_an_erasure_names_models_of_batches_that_were_rewritten_before(
    models, warehouse, train
) -> None:
    pin = saved(models, train)
    warehouse.erase("air", "flights", where="carrier = 'UA'", despite_pins=True, dry_run=False)
    again = warehouse.erase("air", "flights", where="carrier = 'DL'", despite_pins=True)
    assert named(again.models) == [(str(pin), ("latest",))]


def test_models_that_learn_from_a_models_predictions_are_found(models, warehouse, train) -> None:
    pin = saved(models, train)
    batch = sfx.BatchPin(
        "models", "delays", f"{warehouse.store.uri}/models.db/delays", (("latest", pin.version),)
    )
    scores = warehouse.store_dataframe(flights(9), "air", "scores", ["20161031"], inputs=[batch])
    table = warehouse.store_dataframe(flights(9), "models", "table", ["20161031"], inputs=[train])
    warehouse.store_dataframe(flights(9), "models", "report", ["20161031"], inputs=[table])
    student = models.save(Coefficients({"distance": 1.0}), "student", inputs={"train": scores})
    assert [one.pin for one in models.affected(train)] == [student, pin]


def test_the_command_line_names_them_in_text_and_in_json(models, warehouse, train, bad) -> None:
    pin = saved(models, bad)
    models.promote("delays", pin)
    line = f"  {pin} (latest, production)"
    place = ("air.flights", "20161031")
    assert line in run(warehouse, "rollback", *place, "--dry-run").stdout
    (plan,) = json.loads(run(warehouse, "rollback", *place, "--dry-run", "--json").stdout)
    assert [one["version"] for one in plan["models"]] == [pin.version]
    done = json.loads(run(warehouse, "rollback", *place, "--yes", "--json").stdout)
    assert done["models"][0]["aliases"] == ["latest", "production"]
    assert sfx.BatchPin.from_json(json.dumps(done)) == train
    done = run(warehouse, "rollback", *place, "--to", bad.batch_id, "--yes")
    assert "models trained on" not in done.output
    unit = ("rollback", "--run", "nightly", "r2")
    assert line in run(warehouse, *unit, "--dry-run").stdout
    assert line in run(warehouse, *unit, "--yes").stderr
    words = ("--where", "carrier = 'UA'")
    assert line in run(warehouse, "erase", "air.flights", *words).stdout
    erased = json.loads(run(warehouse, "erase", "air.flights", *words, "--json").stdout)
    assert [one["model"] for one in erased["models"]] == ["delays"]


def test_a_version_whose_save_did_not_complete_is_said_to_be_none(models, warehouse, bad) -> None:
    task = {"dag_id": "nightly", "run_id": "r1", "task_id": "train"}
    older, newer = (sfx.Producer(**task, try_number=number) for number in (1, 2))
    second = saved(models, bad, 0.2, producer=newer)
    with pytest.raises(StaleAttempt):
        saved(models, bad, 0.3, producer=older)
    found = models.affected(bad)
    assert sorted((one.pin == second, one.saved) for one in found) == [(False, False), (True, True)]
    assert [one.pin for one in models.versions("delays")] == [second]
    assert named(warehouse.plan_rollback("air", "flights", ["20161031"]).models) == [
        (str(second), ("latest",))
    ]
    shown = run(warehouse, "model", "affected", "air.flights", "20161031", code=1).stdout
    assert "(not saved)" in shown


def test_a_promotion_states_what_the_card_lacks(models, train, warehouse) -> None:
    pin = saved(models, train, card={"owner": "Ada"})
    said = {"purpose": "staffing", "limits": "US\nonly"}
    with pytest.raises(ModelRefused, match="does not state risks, and production is as it was"):
        models.promote("delays", pin, card=said, complete=True)
    assert models.aliases("delays") == {"latest": pin.version}
    assert models.missing_card_parts(pin) == ["purpose", "limits", "risks"]
    models.promote("delays", pin, to="candidate", card=said, complete=False)
    models.promote("delays", pin, card={"risks": "fog"}, complete=True)
    assert models.missing_card_parts(f"{pin}") == []
    card = models.card("delays@production")
    assert card.startswith(models.load(pin).card.rstrip())
    for text in ("### Purpose\n\nstaffing", "US\nonly", "Without risks: by", "to candidate at"):
        assert text in card
    again = saved(models, train, 0.2, card=dict.fromkeys(REQUIRED, "as before"))
    models.promote("delays", again, complete=True)
    assert models.card(again) == models.load(again).card, "nothing new was said"
    with pytest.raises(InvalidName, match="not a part of a card"):
        models.promote("delays", pin, card={"ower": "Ada"})


def test_two_promoters_both_have_their_say(models, train) -> None:
    pin = saved(models, train)
    with ThreadPoolExecutor(4) as pool:
        names = ["ada", "bob", "cy", "di"]
        done = [
            pool.submit(models.promote, "delays", pin, to=name, card={"owner": name})
            for name in names
        ]
        assert [one.result() for one in done] == [pin] * 4
    card = models.card(pin)
    assert sorted(name for name in names if f"### Owner\n\n{name}\n" in card) == names


def test_versions_are_stored_as_a_table_that_gets_new_metrics(models, train, warehouse) -> None:
    saved(models, train, metrics={"mae": 0.3})
    pin = models.store_versions("delays", "reports.delays", reason="nightly")
    assert warehouse.load_dataframe(pin)["metric_mae"].tolist() == [0.3]
    second = saved(models, train, 0.2, metrics={"mae": 0.2, "auc": 0.9}, reason="more")
    done = run(warehouse, "model", "list", "delays", "--into", "reports.delays", "--json")
    assert sfx.BatchPin.from_json(done.stdout).table == "delays"
    query = "SELECT version, metric_auc FROM reports.delays WHERE metric_auc IS NOT NULL"
    assert warehouse.sql(query).values.tolist() == [[second.version, 0.9]]
    run(warehouse, "model", "list", "--into", "reports.delays", code=2)
    with pytest.raises(InvalidName, match="in the database of models"):
        models.store_versions("delays", "models.versions")


def test_calls_for_tables_refuse_a_model_and_leave_no_table(models, train, warehouse) -> None:
    pin = models.promote("delays", saved(models, train))
    batch, place = models.batch(pin), ("models", "delays")
    frame = pd.DataFrame({"n": [1]})
    refused = [
        lambda: warehouse.repair(*place),
        lambda: warehouse.verify(batch),
        lambda: warehouse.store_dataframe(frame, *place, ["x"]),
        lambda: warehouse.open_batch(*place, ["x"]),
        lambda: warehouse.rename(*place, "models", "late"),
        lambda: warehouse.rename("air", "flights", *place),
        lambda: warehouse.adopt(*place),
        lambda: warehouse.adopt(*place, "/nowhere"),
        lambda: warehouse.drop(*place),
        lambda: warehouse.drop(*place, ["production"]),
        lambda: warehouse.drop_column(*place, "n"),
        lambda: warehouse.rename_column(*place, "n", "m"),
        lambda: warehouse.set_checks(*place, []),
        lambda: warehouse.retain(*place, keep_last=1, older_than=timedelta(0), dry_run=False),
        lambda: warehouse.erase(*place, where="n = 1"),
    ]
    for call in refused:
        with pytest.raises(InvalidName, match="is the model 'delays'"):
            call()
    assert warehouse.metastore.tables("models") == []
    with pytest.raises(sfx.TableNotFound, match="is a model, which is no table of the metastore"):
        warehouse.audit(*place)
    assert models.verify("delays@production").ok
    done = run(warehouse, "repair", "models.delays", code=1)
    assert "sfx model verify delays" in done.stderr


def test_a_warehouse_without_models_is_looked_at_once(warehouse, train, monkeypatch) -> None:
    asked: Counter[str] = Counter()
    original = LocalStore.list_directories

    def counted(self: LocalStore, directory: str):
        asked[directory] += 1
        return original(self, directory)

    monkeypatch.setattr(LocalStore, "list_directories", counted)
    assert warehouse.models_trained_on(train) == []
    assert asked == {"models.db": 1}


def test_models_are_found_by_the_names_in_the_index_alone(
    models, warehouse, train, bad, monkeypatch
) -> None:
    pin = saved(models, train)
    saved(models, bad, 0.2)
    seen: list[str] = []
    for call in ("head", "get", "view_part"):
        original = getattr(LocalStore, call)
        monkeypatch.setattr(
            LocalStore,
            call,
            lambda self, path, *more, do=original: (seen.append(path), do(self, path, *more))[1],
        )
    assert [one.pin for one in models.affected(train)] == [pin]
    assert seen
    assert not [path for path in seen if path.startswith("_sfx/readers/")]
