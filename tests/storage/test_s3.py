"""Connections to S3: Amazon's or another server, credentials, and large files.

Keys come from wherever AWS programs find them, and large files are uploaded in parts.
"""

from __future__ import annotations

import os

import pytest

from airflow_sfx.core.errors import InvalidName, WarehouseUnavailable
from airflow_sfx.stack import Stack
from airflow_sfx.storage.factory import open_place, open_store
from airflow_sfx.storage.s3_access import S3Access
from airflow_sfx.warehouse.connect import connect

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture
def no_environment(monkeypatch, tmp_path) -> None:
    """Clear the AWS environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/credentials")
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/config")


@pytest.mark.parametrize(
    "uri", ["hive://host:9083?location=s3://bucket/prefix", "glue://eu-west-1?location=s3://bucket"]
)
def test_without_an_endpoint_it_is_amazon_s_own(no_environment, monkeypatch, uri) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    backend = connect(uri).store._backend  # type: ignore[attr-defined]
    assert backend.config["endpoint"] == "https://bucket.s3.eu-west-1.amazonaws.com"
    assert (backend.config["bucket"], backend.config["region"]) == ("bucket", "eu-west-1")


def test_without_keys_the_places_for_them_are_named(no_environment) -> None:
    with pytest.raises(WarehouseUnavailable, match="AWS_PROFILE.*aws_conn_id"):
        open_store("s3://bucket/prefix")


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"])
@pytest.mark.parametrize("start", ["http://", "https://", ""])
def test_an_endpoint_with_a_password_is_refused_and_the_password_is_not_shown(
    no_environment, monkeypatch, name, start
) -> None:
    for key in KEYS:
        monkeypatch.setenv(key, "any")
    monkeypatch.setenv(name, f"{start}ada:s3cr3t@127.0.0.1:1")
    for call in (
        lambda: open_store("s3://bucket/prefix"),
        lambda: open_place("s3a://bucket/a/place"),
        lambda: connect("hive://127.0.0.1:1?location=s3://bucket/prefix"),
    ):
        with pytest.raises(
            InvalidName, match=r"user name or a password.*AWS_SECRET_ACCESS_KEY"
        ) as refused:
            call()
        assert "s3cr3t" not in str(refused.value)


def test_the_endpoint_of_a_connection_is_refused_with_a_password_too(no_environment) -> None:
    with pytest.raises(InvalidName, match="user name or a password") as refused:
        open_store("s3://bucket/prefix", S3Access(endpoint="http://ada:s3cr3t@127.0.0.1:1"))
    assert "s3cr3t" not in str(refused.value)


def test_glue_s_endpoint_with_a_password_is_refused_wherever_it_comes_from(
    no_environment, monkeypatch
) -> None:
    for key in KEYS:
        monkeypatch.setenv(key, "any")
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", "http://ada:s3cr3t@127.0.0.1:1")
    warehouse = connect("glue://eu-west-1?location=s3://bucket/prefix")
    with pytest.raises(InvalidName, match="endpoint of Glue.*user name or a password") as refused:
        warehouse.tables()
    assert "s3cr3t" not in str(refused.value)


def test_a_profile_s_keys_are_used(stack: Stack, no_environment, monkeypatch, tmp_path) -> None:
    keys = f"aws_access_key_id = {stack.access_key}\naws_secret_access_key = {stack.secret_key}\n"
    (tmp_path / "credentials").write_text(f"[lab]\n{keys}")
    (tmp_path / "config").write_text("[profile lab]\nregion = us-east-1\n")
    monkeypatch.setenv("AWS_PROFILE", "lab")
    monkeypatch.setenv("AWS_ENDPOINT_URL", stack.endpoint)
    store = open_store(f"s3://warehouse/{tmp_path.name}")
    assert store.put_if_absent("one", b"1")
    assert store.get("one") == b"1"
    assert stack.secret_key not in repr(store)


def test_a_large_file_is_written_and_copied_in_parts(stack: Stack, tmp_path) -> None:
    store = open_store(f"s3://warehouse/{tmp_path.name}")
    content = os.urandom(12 << 20)
    etag = store.put("batch/part-00000.parquet", content)
    assert int(etag.strip('"').rpartition("-")[2]) > 1, (
        "S3 says of how many parts an object was made"
    )
    assert store.copy("batch/part-00000.parquet", "next/part-00000.parquet")
    for path in ("batch/part-00000.parquet", "next/part-00000.parquet"):
        assert store.get(path) == content


def unnameable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A home that cannot be read, not even by root."""
    monkeypatch.setenv("HOME", f"/{'x' * 300}")


def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's user whom nothing gives a home."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31)


@pytest.mark.parametrize("without_home", [unnameable, homeless])
def test_without_a_home_that_can_be_read_the_environment_says_it_all(
    no_environment, monkeypatch, without_home
) -> None:
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.delenv(name)
    for name in KEYS:
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    without_home(monkeypatch)
    assert open_store("s3://bucket/prefix").uri == "s3://bucket/prefix"
