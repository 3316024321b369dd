"""Functions for tests to call in the process with Airflow, with JSON for arguments."""

from __future__ import annotations

import json
import logging
import os
import warnings
from contextlib import contextmanager
from unittest.mock import patch


def provider():
    """The provider as Airflow discovers it, with all warnings that discovery makes about it."""
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
    from airflow.providers_manager import ProvidersManager
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    with _complaints() as complaints:
        info = ProvidersManager().providers["airflow-sfx"]
        form = next(
            hook for hook in HookMetaService.hook_meta_data() if hook.connection_type == "sfx"
        )
        hook = ProvidersManagerTaskRuntime().hooks["sfx"]
        decorators = ProvidersManagerTaskRuntime().taskflow_decorators
    return {
        "version": info.version,
        "form": form.model_dump(mode="json"),
        "hook": hook.hook_class_name,
        "testable": hook.connection_testable,
        "decorators": [decorators[name].__name__ for name in ("batch", "model")],
        "complaints": [text for text in complaints if "sfx" in text],
    }


def plugins():
    """The plugins that tasks and the core load, and what failed."""
    from airflow import plugins_manager as core
    from airflow.sdk import plugins_manager as sdk

    return {
        name: {
            "plugins": [plugin.name for plugin in manager._get_plugins()[0]],
            "errors": manager._get_plugins()[1],
        }
        for name, manager in (("core", core), ("sdk", sdk))
    }


def test_connection(extra, conn_type="sfx"):
    """Do what the button *Test* does with a connection."""
    from airflow.models import Connection

    connection = Connection(
        conn_id="tried", conn_type=conn_type, extra=json.dumps(extra) if extra else None
    )
    with patch.dict(os.environ, {"AIRFLOW_CONN_TRIED": connection.as_json()}):
        return list(connection.test_connection())


def hook_error(connection=None):
    """Return the error of a hook whose connection is missing or has this content."""
    from airflow_sfx.hooks.sfx import SfxHook

    given = {"AIRFLOW_CONN_SFX_TRIED": json.dumps(connection)} if connection else {}
    hook = SfxHook("sfx_tried")
    with patch.dict(os.environ, given):
        try:
            return ["", hook.get_conn().uri]
        except Exception as error:
            return [type(error).__name__, str(error)]


def default_warehouse(uri=None):
    """Return the URI of the default connection's warehouse and of the public calls.

    The second one is what they use without ``SFX_WAREHOUSE``.
    """
    import airflow_sfx as sfx
    from airflow_sfx.hooks.sfx import default_warehouse

    given = (
        {"AIRFLOW_CONN_SFX_DEFAULT": json.dumps({"conn_type": "sfx", "extra": {"warehouse": uri}})}
        if uri
        else {}
    )
    with patch.dict(os.environ, given):
        found = default_warehouse()
        with patch.dict(os.environ):
            del os.environ["SFX_WAREHOUSE"]
            return [found and found.uri, sfx.connect().uri if found else None]


def outside_of_a_task():
    """Return the producer where no task runs.

    Airflow leaves its variables in a process that called ``dag.test()``.
    """
    from airflow_sfx.hooks.task_context import current_producer, current_producer_or_none

    outside = {
        name: text for name, text in os.environ.items() if not name.startswith("AIRFLOW_CTX_")
    }
    with patch.dict(os.environ, outside, clear=True):
        return [current_producer_or_none() is None, current_producer().to_json()]


def read_xcom(value):
    """Return what a task gets from an XCom's JSON: the pin as JSON, or the error."""
    from airflow.sdk.serde import deserialize

    try:
        return ["", deserialize(value).to_json()]
    except Exception as error:
        return [type(error).__name__, str(error)]


def write_xcom(pin):
    """The XCom's JSON of a pin, and what the UI shows for it."""
    from airflow.sdk.serde import serialize
    from airflow.serialization.stringify import stringify

    from airflow_sfx import BatchPin

    value = serialize(BatchPin.from_json(pin))
    return [value, stringify(json.loads(json.dumps(value)))]


def asked_at_parse_time(source):
    """The error of a DAG file."""
    from airflow.sdk import dag, task

    try:
        exec(source, {"dag": dag, "task": task})  # the tests' own text
    except Exception as error:
        return [type(error).__name__, str(error)]
    return ["", ""]


@contextmanager
def _complaints():
    """Collects log records from WARNING on, and warnings."""
    texts = []

    class Collect(logging.Handler):
        def emit(self, record):
            texts.append(record.getMessage())

    handler = Collect(level=logging.WARNING)
    logging.getLogger().addHandler(handler)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield texts
    texts.extend(str(warning.message) for warning in caught)
    logging.getLogger().removeHandler(handler)


def set_connection(conn_id, uri):
    """Add a connection to Airflow's database, as the UI does."""
    from airflow.models import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(
            Connection(conn_id=conn_id, conn_type="sfx", extra=json.dumps({"warehouse": uri}))
        )


def store_through_connections(connections):
    """Store and load with the hook of the connection ``sfx_tried``.

    Args:
        connections: Each connection's JSON, by name.
    """
    import pandas as pd

    from airflow_sfx.hooks.sfx import SfxHook

    given = {
        f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection)
        for name, connection in connections.items()
    }
    with patch.dict(os.environ, given):
        for name in (
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_S3",
        ):
            os.environ.pop(name, None)
        hook = SfxHook("sfx_tried")
        try:
            warehouse = hook.get_conn()
            pin = warehouse.store_dataframe(
                pd.DataFrame({"n": [1, 2]}), "hooked", "items", ["20161031"]
            )
            return [warehouse.uri, warehouse.load_dataframe(pin)["n"].tolist(), repr(hook.__dict__)]
        except Exception as error:
            return [type(error).__name__, str(error)]


def credentials_of_role(sts_endpoint):
    """Return which credentials object storage gets from a connection with a role.

    The answer has no secrets: only whether each of them is set.
    """
    from airflow_sfx.hooks.connections import s3_access
    from airflow_sfx.storage.aws_config import SessionCredentials

    extra = {
        "region_name": "eu-west-1",
        "role_arn": "arn:aws:iam::123456789012:role/nightly",
        "service_config": {
            "sts": {"endpoint_url": sts_endpoint},
            "s3": {"endpoint_url": "http://127.0.0.1:1"},
        },
    }
    connection = {
        "conn_type": "aws",
        "login": "AKIAEXAMPLE",
        "password": "wrong-but-long",
        "extra": extra,
    }
    with patch.dict(os.environ, {"AIRFLOW_CONN_AWS_TRIED": json.dumps(connection)}):
        access = s3_access("aws_tried")
        given = SessionCredentials(access.session())()
    return {
        "endpoint": access.endpoint,
        "region": access.region,
        "assumed": given["access_key_id"] != "AKIAEXAMPLE" and bool(given["token"]),
        "ends": given["expires_at"] is not None,
        "shown": repr(access),
    }


def set_environment(values):
    """Set variables of this process, for all that it runs from now on."""
    os.environ.update(values)


def operator_error(operator, arguments):
    """The error of making an operator."""
    import airflow_sfx.operators

    try:
        getattr(airflow_sfx.operators, operator)(task_id="tried", **arguments)
    except Exception as error:
        return [type(error).__name__, str(error)]
    return ["", ""]


def error_of_a_sensor_that_begins_in_the_triggerer(field, nested):
    """Return the error of a sensor that has another task's output as an argument."""
    from airflow.sdk import DAG

    from airflow_sfx.operators import PinBatchesOperator
    from airflow_sfx.sensors import BatchPartitionSensor

    with DAG("tried"):
        output = PinBatchesOperator(task_id="pins", table="kept.numbers").output
        given = {field: [output] if nested else output}
        try:
            BatchPartitionSensor(
                task_id="tried", table="kept.numbers", start_from_trigger=True, **given
            )
        except Exception as error:
            return [type(error).__name__, str(error)]
    return ["", ""]


def shared_polls(uri, waiters, seconds):
    """Wait on many partitions of one table at once.

    Returns:
        Which waiters were served and refused, and the calls of the metastore.
    """
    import asyncio
    from collections import Counter

    import pandas as pd

    import airflow_sfx as sfx
    from airflow_sfx.core.partition import Partition
    from airflow_sfx.core.table import TableRef
    from airflow_sfx.triggers import polling

    warehouse = sfx.connect(uri)
    asked = Counter()
    metastore = type(warehouse.metastore)
    originals = {name: getattr(metastore, name) for name in ("get_table", "get_partitions")}

    def counting(name):
        def call(self, *arguments, **options):
            asked[name] += 1
            return originals[name](self, *arguments, **options)

        return call

    async def wait(values):
        def there(pointers):
            return Partition(tuple(values)) in pointers

        await polling.wait_for(
            None, TableRef("polled", "items"), (Partition(tuple(values)),), there, seconds=seconds
        )

    async def all_of_them():
        tasks = [asyncio.create_task(wait([f"p{number}"])) for number in range(waiters)]
        tasks.append(asyncio.create_task(wait(["p0", "too many"])))
        await asyncio.sleep(3 * seconds)
        before = dict(asked)
        frame = pd.DataFrame({"day": [f"p{number}" for number in range(waiters)], "n": 1})
        await asyncio.to_thread(
            warehouse.store_dataframe, frame, "polled", "items", partition_by=["day"]
        )
        asked.clear()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        return before, done

    with (
        patch.dict(os.environ, {"SFX_WAREHOUSE": uri}),
        patch.multiple(metastore, **{n: counting(n) for n in originals}),
        patch.object(polling, "_log") as log,
    ):
        before, done = asyncio.run(all_of_them())
    return {
        "served": sum(one is None for one in done),
        "refused": [f"{type(one).__name__}: {one}" for one in done if one is not None],
        "no table": sum("no table" in str(call) for call in log.warning.call_args_list),
        "asked before": before,
        "asked after": dict(asked),
    }


def backfills_in_runs():
    """Which processes write backfills into runs, with the setting on and off.

    Also what a run gets, and how often three updates of it ask the database.
    """
    import sys
    from datetime import UTC, datetime

    from airflow.models.backfill import Backfill, ReprocessBehavior
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import event

    from airflow_sfx.hooks import airflow_internals

    def writers(setting):
        found = []
        for part in ("scheduler", "api-server", "triggerer"):
            with (
                patch.object(sys, "argv", ["airflow", part]),
                patch.dict(os.environ, {"AIRFLOW__SFX__BACKFILL_CONF": setting}),
            ):
                airflow_internals.write_backfills_into_runs()
            if event.contains(DagRun, "before_update", airflow_internals.write_backfill):
                event.remove(DagRun, "before_update", airflow_internals.write_backfill)
                found.append(part)
        return found

    asked = []
    with create_session() as session:
        moment = datetime(2013, 1, 1, tzinfo=UTC)
        backfill = Backfill(
            dag_id="numbered",
            from_date=moment,
            to_date=moment,
            reprocess_behavior=ReprocessBehavior.COMPLETED.value,
        )
        session.add(backfill)
        session.flush()
        connection = session.connection()
        event.listen(
            connection, "before_cursor_execute", lambda *call: asked.append(call[2]), named=False
        )
        run = DagRun(dag_id="numbered", run_id="r", state="running", conf={"mine": 1})
        run.backfill_id = backfill.id
        for _ in range(3):
            airflow_internals.write_backfill(None, connection, run)
        got = {"number": str(backfill.id), "conf": run.conf}
        session.rollback()
    return {
        "writers": writers("True"),
        "writers if off": writers("False"),
        "asked": sum("SELECT" in one for one in asked),
        **got,
    }


def add_backfill(dag_id, run_ids):
    """Add a backfill with finished runs to Airflow's database; its number."""
    from datetime import UTC, datetime

    from airflow.models.backfill import Backfill, BackfillDagRun
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        moment = datetime(2013, 1, 1, tzinfo=UTC)
        backfill = Backfill(dag_id=dag_id, from_date=moment, to_date=moment)
        session.add(backfill)
        session.flush()
        for number, run_id in enumerate(run_ids, 1):
            day = datetime(2013, 1, number, tzinfo=UTC)
            run = DagRun(
                dag_id=dag_id, run_id=run_id, run_type="backfill", logical_date=day, run_after=day
            )
            run.backfill_id = backfill.id
            session.add(run)
            session.flush()
            session.add(
                BackfillDagRun(
                    backfill_id=backfill.id,
                    dag_run_id=run.id,
                    logical_date=day,
                    sort_ordinal=number,
                )
            )
        return str(backfill.id)


def events_of(partitions, batch_ids):
    """Return how many outlets a task has, and whether its events have data.

    The task has changed as many partitions as given.
    """
    from airflow.sdk import BaseOperator
    from airflow.sdk.execution_time.context import OutletEventAccessors

    from airflow_sfx import BatchPin
    from airflow_sfx.assets.asset import batch_asset
    from airflow_sfx.assets.events import emit

    ids = [f"201301010000{number % batch_ids:02d}" for number in range(partitions)]
    entries = tuple((f"day={number:05d}", one) for number, one in enumerate(ids))
    outlet = batch_asset("shop.days")
    task = BaseOperator(task_id="tried", outlets=[outlet])
    context = {"task": task, "outlet_events": OutletEventAccessors()}
    emit(context, [BatchPin("shop", "days", "s3://b/shop.db/days", entries)], "publish")
    return {"outlets": len(task.outlets), "said": bool(context["outlet_events"][outlet].extra)}


def page_of_warehouses(uris):
    """Return the page's answers to all changes, for one default warehouse after another."""
    from fastapi.testclient import TestClient

    from airflow_sfx.plugin.web.app import create_app
    from airflow_sfx.plugin.web.cache import snapshots
    from airflow_sfx.plugin.web.security import READ_ACCESS

    app = create_app()
    seen = []
    with patch.dict(
        app.dependency_overrides, {one.dependency: lambda: None for one in READ_ACCESS}
    ):
        client = TestClient(app)
        for uri in uris:
            with patch.dict(os.environ, {"SFX_WAREHOUSE": uri}):
                seen.append(
                    client.get("/api/changes", params={"since": "2013-01-01T00:00:00Z"}).status_code
                )
    snapshots.reopen()
    return seen


def said_of_connections(connections):
    """Return every text about ``sfx_default`` and the connections it uses.

    The texts are those of the hook, *Test*, the page and the logs, with the kinds of errors.
    """
    import traceback

    from airflow.models import Connection
    from fastapi.testclient import TestClient

    from airflow_sfx.hooks.sfx import SfxHook
    from airflow_sfx.plugin.web.app import create_app
    from airflow_sfx.plugin.web.cache import snapshots
    from airflow_sfx.plugin.web.security import READ_ACCESS

    given = {
        f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection)
        for name, connection in connections.items()
    }
    app = create_app()
    said, kinds = [], []

    class Collect(logging.Handler):
        def emit(self, record):
            if record.name.startswith("airflow_sfx"):
                said.append(self.format(record))

    handler, root = Collect(level=logging.DEBUG), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with (
            patch.dict(os.environ, given),
            patch.dict(
                app.dependency_overrides, {one.dependency: lambda: None for one in READ_ACCESS}
            ),
        ):
            for name in (
                "SFX_WAREHOUSE",
                *(name for name in os.environ if name.startswith("AWS_")),
            ):
                os.environ.pop(name, None)
            os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
            for call in (
                SfxHook().get_uri,
                lambda: repr(SfxHook().get_conn()),
                lambda: SfxHook().get_conn().tables(),
            ):
                try:
                    said.append(str(call()))
                    kinds.append("")
                except Exception as error:
                    kinds.append(type(error).__name__)
                    said += [
                        str(error),
                        *traceback.format_exception(error),
                        repr(error.__context__),
                    ]
            told = connections["sfx_default"]
            said.append(
                str(
                    Connection(
                        conn_id="t", **told | {"extra": json.dumps(told["extra"])}
                    ).test_connection()
                )
            )
            answer = TestClient(app).get("/api/tables")
            said.append(answer.text)
            kinds.append(answer.status_code)
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        snapshots.reopen()
    return {"said": "\n".join(said), "kinds": kinds}
