"""URIs of warehouses: options, and secrets that are rejected."""

from __future__ import annotations

import pytest

import airflow_sfx as sfx

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    "uri",
    [
        f"hive://ada:{SECRET}@host:9083?location=s3://bucket/prefix",
        f"hive://host:9083?location=s3://AKIA:{SECRET}@bucket/prefix",
        f"hive://host:9083?location=s3://bucket/prefix&endpoint_url=http://ada:{SECRET}@host:1",
        f"glue://eu-west-1?location=s3://bucket/prefix&glue_endpoint_url=http://ada:{SECRET}@host:1",
        f"embedded://ada:{SECRET}@host/path",
        f"other://ada:{SECRET}@host/path",
    ],
)
def test_a_uri_with_a_secret_is_refused_and_the_secret_is_not_shown(uri: str) -> None:
    with pytest.raises(sfx.InvalidName, match="user name or a password") as refused:
        sfx.connect(uri)
    assert SECRET not in str(refused.value)


def test_a_directory_to_adopt_with_a_secret_is_refused_and_the_secret_is_not_shown(
    tmp_path,
) -> None:
    warehouse = sfx.connect(f"embedded://{tmp_path}/warehouse")
    with pytest.raises(sfx.InvalidName, match="user name or a password") as refused:
        warehouse.adopt("sales", "items", f"s3://AKIA:{SECRET}@bucket/old")
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "uri", [f"ada:{SECRET}@host:9083", f"hive:/ada:{SECRET}@host", f"hive:host?password={SECRET}"]
)
def test_what_is_no_uri_is_not_shown_either(uri: str) -> None:
    with pytest.raises(sfx.InvalidName) as refused:
        sfx.connect(uri)
    assert SECRET not in str(refused.value)
