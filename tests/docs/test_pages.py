"""The examples of the pages work, in the order shown, for a new user."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pandas as pd
import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

import airflow_sfx as sfx
from airflow_sfx.cli.main import app
from airflow_sfx.stack.hive_metastore import spark_settings
from tests.docs.pages import ROOT, blocks, run_commands, run_sessions
from tests.metastore.hive_server import drop_databases


def test_the_readmes_five_minutes_run_as_shown(new_user: Path) -> None:
    page = ROOT / "README.md"
    assert run_sessions(page) > 10
    assert len(run_commands(page)) == 4
    assert (new_user / ".sfx/warehouse/sales.db/sold_items/20161031").is_dir()


def test_the_readmes_five_minutes_run_on_a_hive_metastore_and_s3(
    new_user: Path, stack, monkeypatch
) -> None:
    drop_databases(f"127.0.0.1:{stack.metastore_port}")
    monkeypatch.setenv(
        "SFX_WAREHOUSE",
        f"hive://127.0.0.1:{stack.metastore_port}?location=s3://warehouse/{uuid.uuid4().hex}",
    )
    page = ROOT / "README.md"
    assert run_sessions(page) > 10
    assert len(run_commands(page)) == 4
    assert not (new_user / ".sfx/warehouse").exists()


def test_the_readmes_dag_is_a_dag(new_user: Path) -> None:
    (text,) = [block for block in blocks(ROOT / "README.md", "python") if "@dag" in block]
    names: dict[str, object] = {}
    exec(compile(text + "\nfound = nightly()\n", "README.md", "exec"), names)
    assert names["found"].task_ids == ["sold_items", "revenue"]


@pytest.mark.parametrize(
    ("name", "examples"),
    [
        ("warehouse", 50),
        ("retention", 18),
        ("errors", 8),
        ("engines", 6),
        ("moving", 12),
        ("online", 18),
        ("quality", 14),
        ("sql", 12),
        ("streams", 20),
        ("tutorial-models", 25),
    ],
)
def test_a_page_of_python_sessions_runs_as_shown(name: str, examples: int, new_user: Path) -> None:
    assert run_sessions(ROOT / f"docs/{name}.md") >= examples


def test_the_page_of_models_runs_as_shown(new_user: Path, monkeypatch) -> None:
    """Its commands run in this process, as each start of Python would take a second."""
    monkeypatch.chdir(new_user)
    page = ROOT / "docs/models.md"
    assert run_sessions(page) >= 20
    lines = [line for text in blocks(page, "console") for line in text.splitlines()]
    assert len(lines) >= 18
    for line in lines:
        program, *words = shlex.split(line.removeprefix("$ "))
        if program == "sfx":
            done = CliRunner().invoke(app, words)
            assert done.exit_code == 0, f"{line}\n{done.output}"
        else:
            subprocess.run([program, *words], check=True, capture_output=True)


def test_the_page_of_components_runs_as_shown(new_user: Path) -> None:
    page = ROOT / "docs/components.md"
    assert run_sessions(page) >= 18
    assert len(run_commands(page)) == 2


def test_the_page_of_jobs_runs_as_shown(new_user: Path, monkeypatch) -> None:
    monkeypatch.chdir(new_user)
    page = ROOT / "docs/containers.md"
    assert run_sessions(page) >= 5
    assert len(run_commands(page)) == 1
    totals = sfx.connect(f"embedded://{new_user}/.sfx/warehouse").load_dataframe("sales", "totals")
    assert totals["price"].tolist() == [42.0, 160.0]


def test_the_page_of_spark_runs_as_shown(new_user: Path, java_home: Path, monkeypatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java_home))
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    assert run_sessions(ROOT / "docs/spark.md") == 8


def test_the_page_of_spark_names_the_hadoop_of_this_spark() -> None:
    import pyspark

    release = ".".join(pyspark.__version__.split(".")[:2])
    (jar,) = (Path(pyspark.__file__).parent / "jars").glob("hadoop-client-api-*.jar")
    hadoop = jar.stem.removeprefix("hadoop-client-api-")
    text = (ROOT / "docs/spark.md").read_text(encoding="utf-8")
    assert f"| {release} | {hadoop} |" in text


def test_the_session_for_s3_and_hive_stores_loads_and_queries(
    stack, mounted_bucket, java_home: Path, tmp_path: Path
) -> None:
    """As shown, but for Hadoop's S3 client, which is not on PyPI: the bucket is mounted."""
    drop_databases(f"127.0.0.1:{stack.metastore_port}")
    (text,) = [block for block in blocks(ROOT / "docs/spark.md", "python") if "SETTINGS" in block]
    mounted = spark_settings(stack, mounted_bucket)
    text, replaced = re.subn(
        r"    \"spark\.jars\.packages.*\n    \"spark\.hadoop\.fs\.s3\.impl.*\n",
        f"    **{mounted!r},\n    'spark.ui.enabled': 'false',\n",
        text,
    )
    assert replaced == 1
    text = text.replace("metastore:9083", f"127.0.0.1:{stack.metastore_port}")
    text = text.replace("s3://bucket/warehouse", f"s3://warehouse/{uuid.uuid4().hex}")
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=tmp_path,
        env={**os.environ, "JAVA_HOME": str(java_home), "PYSPARK_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert re.findall(r"\|(20161\d+)\|\s*(\d+)\|", done.stdout).count(("20161031", "3")) == 2
    assert ("20161101", "12") in re.findall(r"\|(20161\d+)\|\s*(\d+)\|", done.stdout)


@pytest.fixture
def policed(stack) -> Iterator[str]:
    """A prefix of the bucket, under the policy that the page shows."""
    prefix = uuid.uuid4().hex
    (policy,) = blocks(ROOT / "docs/metastores.md", "json")
    for name, value in (
        ("BUCKET", "warehouse"),
        ("PREFIX", prefix),
        ("ACCOUNT", "1" * 12),
        ("RETENTION", "keeper"),
    ):
        policy = policy.replace(name, value)
    s3 = boto3.client("s3")
    s3.put_bucket_policy(Bucket="warehouse", Policy=policy)
    yield prefix
    s3.delete_bucket_policy(Bucket="warehouse")


def test_the_bucket_policy_denies_deletes_and_lets_batches_be_written(policed: str, stack) -> None:
    warehouse = sfx.connect(
        f"hive://127.0.0.1:{stack.metastore_port}?location=s3://warehouse/{policed}"
    )
    first, _ = (
        warehouse.store_dataframe(pd.DataFrame({"n": [n]}), "policed", f"t{policed}")
        for n in (1, 2)
    )
    s3 = boto3.client("s3")
    found = s3.list_objects_v2(Bucket="warehouse", Prefix=f"{policed}/policed.db")["Contents"]
    (key,) = [one["Key"] for one in found if f"{first.batch_id}/part" in one["Key"]]
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket="warehouse", Key=key)
    assert warehouse.load_dataframe(warehouse.rollback("policed", f"t{policed}"))["n"].tolist() == [
        1
    ]


def test_no_page_has_a_block_that_is_not_run() -> None:
    here = {
        "README",
        "components",
        "containers",
        "warehouse",
        "retention",
        "errors",
        "engines",
        "models",
        "online",
        "moving",
        "quality",
        "spark",
        "sql",
        "streams",
        "tutorial-models",
        "metastores",
    }
    # Those pages run in tests/cli, tests/serving, tests/r, tests/workbench and tests/airflow.
    elsewhere = {"cli", "undo", "night", "serving", "r", "workbench"} | {
        "airflow",
        "testing",
        "tutorial",
        "pins",
        "sensors",
        "assets",
        "page",
    }
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    assert {page.stem for page in pages if "\n```" in page.read_text()} == here | elsewhere


def test_contributing_lists_what_make_offers() -> None:
    offered = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    written = re.findall(
        r"^    make (\w+) +# (.+)$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE
    )[:9]
    assert written == re.findall(r"^  make (\w+) +(.+)$", offered, re.MULTILINE)
