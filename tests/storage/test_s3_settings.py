"""Settings of boto3 that work here as well: each row of the tables in docs/s3.md.

A server records the requests.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_sfx.core.errors import InvalidName, WarehouseUnavailable
from airflow_sfx.core.io.timeouts import timeouts_of
from airflow_sfx.storage.factory import open_store
from airflow_sfx.storage.multipart import Uploads
from airflow_sfx.storage.s3_access import S3Access
from airflow_sfx.warehouse.connect import connect
from tests.docs.pages import ROOT
from tests.storage.recording_server import Asked, RecordingServer, make_authority, recording

AMAZON = [
    f"{name}.amazonaws.com"
    for name in (
        "data.s3",
        "data.s3.eu-west-1",
        "data.s3.eu-central-1",
        "s3.eu-west-1",
        "data.s3-accelerate",
        "data.s3.dualstack.eu-west-1",
        "data.s3-fips.us-east-1",
        "name-abc-s3alias.s3.eu-west-1",
        "glue.eu-west-1",
    )
]
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "secret"}
REGION = {"AWS_DEFAULT_REGION": "eu-west-1"}
PROXIES = {
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
}


@dataclass
class World:
    """A home without settings, servers with and without TLS, and a proxy for Amazon."""

    home: Path
    root: Path
    server: RecordingServer
    plain: RecordingServer
    proxy: RecordingServer
    patch: pytest.MonkeyPatch
    airflow: Callable[[str, dict[str, str]], str]

    def environment(self, **values: str) -> None:
        for name, value in values.items():
            self.patch.setenv(name, value)

    def profile(self, config: str, credentials: str = "") -> None:
        (self.home / ".aws").mkdir(exist_ok=True)
        (self.home / ".aws" / "config").write_text(config)
        (self.home / ".aws" / "credentials").write_text(credentials)

    def amazon(self, **values: str) -> None:
        """Amazon's own servers, as the proxy has them."""
        proxy = f"http://localhost:{self.proxy.port}"
        self.environment(
            **KEYS, HTTPS_PROXY=proxy, AWS_CA_BUNDLE=str(self.root), **{**REGION, **values}
        )

    def use(self, uri: str = "s3://data/prefix") -> Asked:
        """Write, read, list and copy an object; returns the request that wrote it."""
        store = open_store(uri)
        assert store.put_if_absent("a", b"1")
        assert store.get("a") == b"1"
        assert list(store.list("t")) == []
        store.copy("a", "b")
        return self.written()

    def written(self) -> Asked:
        (found,) = [
            one
            for server in (self.server, self.plain, self.proxy)
            for one in server.asked
            if one.method == "PUT" and one.path.endswith("/a")
        ]
        return found

    def asked(self) -> list[Asked]:
        return [*self.server.asked, *self.plain.asked, *self.proxy.asked]

    def connection(self, *, uri: str = "", **connection: object) -> str:
        """Use an Airflow connection, in the process with Airflow; return its error, if any."""
        named = {"AIRFLOW_CONN_AWS_TRIED": json.dumps({"conn_type": "aws", **connection})}
        said: str = self.airflow(uri, {**os.environ, **named})
        return said


@pytest.fixture(scope="module")
def airflow(tmp_path_factory) -> Iterator[Callable[[str, dict[str, str]], str]]:
    """A process that uses the Airflow connection of an environment that it is given."""
    home = tmp_path_factory.mktemp("airflow")
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith("AIRFLOW_")
    }
    environment |= {
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    program = [sys.executable, Path(__file__).with_name("through_airflow.py")]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            program,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    asking, answering = process.stdin, process.stdout

    def use(uri: str, environment: dict[str, str]) -> str:
        asking.write(json.dumps([uri, environment]) + "\n")
        asking.flush()
        answer: str = json.loads(
            answering.readline() or json.dumps((home / "log").read_text()[-3000:])
        )
        return answer

    yield use
    asking.close()
    process.wait(30)
    answering.close()


def _nobody() -> socket.socket:
    """A port that is bound, and on which no process listens."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken


TAKEN = _nobody()
NOWHERE = f"http://127.0.0.1:{TAKEN.getsockname()[1]}"


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> tuple[Path, Path]:
    return make_authority(tmp_path_factory.mktemp("authority"), *AMAZON)


@pytest.fixture
def world(tmp_path, monkeypatch, authority, airflow) -> Iterator[World]:
    for name in list(os.environ):
        if name.startswith(("AWS_", "AIRFLOW_")) or name.upper() in PROXIES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    root, certificate = authority
    with (
        recording(certificate) as server,
        recording() as plain,
        recording(certificate, proxy=True) as proxy,
        timeouts_of(4),
    ):
        yield World(tmp_path, root, server, plain, proxy, monkeypatch, airflow)


ROWS: dict[str, Callable[[World], None]] = {}


def row(name: str) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    """The test of a row of the page."""

    def keep(test: Callable[[World], None]) -> Callable[[World], None]:
        assert name not in ROWS
        ROWS[name] = test
        return test

    return keep


def rows_of_the_page() -> list[str]:
    text = (ROOT / "docs/s3.md").read_text()
    tables = re.findall(r"^\| setting \|.*\n\|---\|---\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [
        line.split(" | ")[0].removeprefix("| ") for table in tables for line in table.splitlines()
    ]


@pytest.mark.parametrize("name", rows_of_the_page())
def test_a_row_of_the_page_is_so(world: World, name: str) -> None:
    ROWS[name](world)


def test_each_test_is_of_a_row_of_the_page() -> None:
    assert set(ROWS) == set(rows_of_the_page())


@row("`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`")
def _(world: World) -> None:
    world.environment(**KEYS, AWS_SESSION_TOKEN="the-token", AWS_ENDPOINT_URL=world.plain.url)
    asked = world.use()
    assert (asked.key_id, asked.headers["x-amz-security-token"]) == ("AKIAENVIRONMENT", "the-token")
    assert {one.key_id for one in world.asked()} == {"AKIAENVIRONMENT"}


@row("`AWS_PROFILE`, `~/.aws/credentials`")
def _(world: World) -> None:
    world.profile("", "[lab]\naws_access_key_id = AKIALAB\naws_secret_access_key = s\n")
    world.environment(AWS_PROFILE="lab", AWS_ENDPOINT_URL=world.plain.url)
    assert world.use().key_id == "AKIALAB"


@row("`role_arn` of a profile")
def _(world: World) -> None:
    role = (
        "role_arn = arn:aws:iam::123456789012:role/nightly\n"
        "source_profile = base\nregion = eu-west-1\n"
    )
    world.profile(
        f"[profile lab]\n{role}",
        "[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n",
    )
    world.environment(AWS_PROFILE="lab", AWS_ENDPOINT_URL=world.plain.url)
    asked = world.use()
    assert (asked.key_id, asked.headers["x-amz-security-token"]) == ("AKIAASSUMEROLE", "token")


@row("`credential_process` of a profile")
def _(world: World) -> None:
    given = {"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "s"}
    (world.home / "keys.json").write_text(json.dumps(given))
    world.profile(f"[profile lab]\ncredential_process = cat {world.home}/keys.json\n")
    world.environment(AWS_PROFILE="lab", AWS_ENDPOINT_URL=world.plain.url)
    assert world.use().key_id == "AKIAPROCESS"


@row("`AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN`")
def _(world: World) -> None:
    (world.home / "token").write_text("a-token")
    role = "arn:aws:iam::123456789012:role/nightly"
    world.environment(
        AWS_WEB_IDENTITY_TOKEN_FILE=f"{world.home}/token",
        AWS_ROLE_ARN=role,
        AWS_ENDPOINT_URL=world.plain.url,
    )
    world.environment(**REGION)
    assert world.use().key_id == "AKIAASSUMEROLEWITHWEBIDENTITY"


@row("`AWS_CONTAINER_CREDENTIALS_FULL_URI`")
def _(world: World) -> None:
    world.environment(
        AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{world.plain.url}/container",
        AWS_ENDPOINT_URL=world.plain.url,
    )
    assert world.use().key_id == "AKIACONTAINER"


@row("instance metadata")
def _(world: World) -> None:
    world.patch.delenv("AWS_EC2_METADATA_DISABLED")
    world.environment(
        AWS_EC2_METADATA_SERVICE_ENDPOINT=world.plain.url, AWS_ENDPOINT_URL_S3=world.server.url
    )
    world.environment(AWS_CA_BUNDLE=str(world.root))
    assert world.use().key_id == "AKIAINSTANCE"


@row("no keys anywhere")
def _(world: World) -> None:
    world.environment(AWS_ENDPOINT_URL=world.plain.url)
    with pytest.raises(WarehouseUnavailable, match="AWS_PROFILE.*aws_conn_id"):
        open_store("s3://data")


@row("`AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`")
def _(world: World) -> None:
    world.environment(
        **KEYS, AWS_ENDPOINT_URL=NOWHERE, AWS_ENDPOINT_URL_S3=f"{world.plain.url}/below"
    )
    assert world.use().path == "/below/data/prefix/a"


@row("`endpoint_url` of a profile")
def _(world: World) -> None:
    world.profile(f"[default]\nendpoint_url = {world.plain.url}\n")
    world.environment(**KEYS)
    assert world.use().path == "/data/prefix/a"


@row("`services` of a profile")
def _(world: World) -> None:
    services = f"[services lab]\ns3 =\n  endpoint_url = {world.plain.url}\n"
    world.profile(f"[profile lab]\nservices = lab\nendpoint_url = {NOWHERE}\n{services}")
    world.environment(**KEYS, AWS_PROFILE="lab")
    assert world.use().path == "/data/prefix/a"


@row("`AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`")
def _(world: World) -> None:
    world.profile(f"[default]\nendpoint_url = {world.plain.url}\n")
    world.amazon(AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true", AWS_ENDPOINT_URL=world.plain.url)
    assert world.use().host == "data.s3.eu-west-1.amazonaws.com"


@row("`endpoint_url=` in the URI")
def _(world: World) -> None:
    world.profile("[default]\nendpoint_url = " + NOWHERE + "\n")
    world.environment(**KEYS, AWS_ENDPOINT_URL_S3=NOWHERE, AWS_ENDPOINT_URL=NOWHERE)
    store = connect(
        f"hive://127.0.0.1:1?location=s3://data/prefix&endpoint_url={world.plain.url}&region=eu-central-1"
    ).store
    assert store.put_if_absent("a", b"1")
    assert (world.written().path, world.written().region) == ("/data/prefix/a", "eu-central-1")


@row("`AWS_DEFAULT_REGION`, `AWS_REGION`, `region` of a profile")
def _(world: World) -> None:
    world.amazon()
    asked = world.use()
    assert (asked.host, asked.region) == ("data.s3.eu-west-1.amazonaws.com", "eu-west-1")
    world.proxy.asked.clear()
    world.patch.delenv("AWS_DEFAULT_REGION")
    world.environment(AWS_REGION="eu-central-1")
    assert world.use().host == "data.s3.eu-central-1.amazonaws.com"
    world.proxy.asked.clear()
    world.patch.delenv("AWS_REGION")
    world.profile("[default]\nregion = eu-west-1\n")
    assert world.use().host == "data.s3.eu-west-1.amazonaws.com"


def refused_certificate(world: World) -> None:
    with timeouts_of(1), pytest.raises(WarehouseUnavailable, match="unknown issuer"):
        open_store("s3://data").get("a")
    assert world.server.asked == []


@row("`AWS_CA_BUNDLE`")
def _(world: World) -> None:
    world.environment(**KEYS, AWS_ENDPOINT_URL=world.server.url)
    refused_certificate(world)
    world.environment(AWS_CA_BUNDLE=str(world.root))
    assert world.use().host == "localhost"
    world.environment(AWS_CA_BUNDLE="/nowhere/authorities.pem")
    with pytest.raises(WarehouseUnavailable, match="/nowhere/authorities.pem"):
        open_store("s3://data")


@row("`ca_bundle` of a profile")
def _(world: World) -> None:
    world.environment(**KEYS, AWS_ENDPOINT_URL=world.server.url)
    world.profile(f"[default]\nca_bundle = {world.root}\n")
    assert world.use().host == "localhost"


@row("`REQUESTS_CA_BUNDLE`")
def _(world: World) -> None:
    world.environment(**KEYS, AWS_ENDPOINT_URL=world.server.url, REQUESTS_CA_BUNDLE=str(world.root))
    assert world.use().host == "localhost"


@row("`HTTPS_PROXY`")
def _(world: World) -> None:
    world.amazon()
    world.environment(HTTPS_PROXY=f"http://ada:s3cr3t@localhost:{world.proxy.port}")
    world.use()
    assert {one.target for one in world.proxy.tunnels} == {"data.s3.eu-west-1.amazonaws.com:443"}
    assert all(
        one.headers["proxy-authorization"].startswith("Basic ") for one in world.proxy.tunnels
    )
    world.environment(HTTPS_PROXY=f"http://ada:s3cr3t@localhost:{TAKEN.getsockname()[1]}")
    with timeouts_of(1), pytest.raises(WarehouseUnavailable, match="refused") as refused:
        open_store("s3://data").get("a")
    assert "s3cr3t" not in f"{refused.value} {refused.value.__cause__}"


@row("`NO_PROXY`")
def _(world: World) -> None:
    world.environment(**KEYS, HTTPS_PROXY=NOWHERE, HTTP_PROXY=NOWHERE, NO_PROXY="localhost")
    world.environment(AWS_ENDPOINT_URL=world.plain.url)
    assert world.use().host == "localhost"


@row("`addressing_style` of a profile")
def _(world: World) -> None:
    world.amazon()
    world.profile("[default]\ns3 =\n  addressing_style = path\n")
    asked = world.use()
    assert (asked.host, asked.path) == ("s3.eu-west-1.amazonaws.com", "/data/prefix/a")
    world.proxy.asked.clear()
    world.profile("[default]\ns3 =\n  addressing_style = virtual\n")
    asked = world.use()
    assert (asked.host, asked.path) == ("data.s3.eu-west-1.amazonaws.com", "/prefix/a")


@row("`AWS_USE_FIPS_ENDPOINT`")
def _(world: World) -> None:
    world.amazon(AWS_USE_FIPS_ENDPOINT="true", AWS_DEFAULT_REGION="us-east-1")
    assert world.use().host == "data.s3-fips.us-east-1.amazonaws.com"


@row("`AWS_USE_DUALSTACK_ENDPOINT`")
def _(world: World) -> None:
    world.amazon(AWS_USE_DUALSTACK_ENDPOINT="true")
    assert world.use().host == "data.s3.dualstack.eu-west-1.amazonaws.com"


@row("`use_accelerate_endpoint` of a profile")
def _(world: World) -> None:
    world.amazon()
    world.profile("[default]\ns3 =\n  use_accelerate_endpoint = true\n")
    assert world.use().host == "data.s3-accelerate.amazonaws.com"


@row("`AWS_SKIP_SIGNATURE`")
def _(world: World) -> None:
    world.environment(AWS_SKIP_SIGNATURE="true", AWS_ENDPOINT_URL=world.plain.url)
    assert world.use().key_id is None


ENCRYPTED = {
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "the-key",
    "x-amz-server-side-encryption-bucket-key-enabled": "true",
}


def assert_encrypted(asked: list[Asked]) -> None:
    parts = [one for one in asked if "partNumber" in one.target or "uploadId" in one.target]
    beginning = [one for one in asked if one.method in ("PUT", "POST") and one not in parts]
    assert {one.method for one in beginning} == {"PUT", "POST"}
    assert any("x-amz-copy-source" in one.headers for one in beginning)
    assert all(ENCRYPTED.items() <= one.headers.items() for one in beginning)


@row("`AWS_SERVER_SIDE_ENCRYPTION`, `AWS_SSE_KMS_KEY_ID`, `AWS_SSE_BUCKET_KEY_ENABLED`")
def _(world: World) -> None:
    world.environment(
        **KEYS, AWS_ENDPOINT_URL=world.plain.url, AWS_SERVER_SIDE_ENCRYPTION="aws:kms"
    )
    world.environment(AWS_SSE_KMS_KEY_ID="the-key", AWS_SSE_BUCKET_KEY_ENABLED="true")
    world.use()
    open_store("s3://data/prefix").put("large", b"1" * (12 << 20))
    assert_encrypted(world.plain.asked)


@row("SSE-C (customer keys), in any setting")
def _(world: World) -> None:
    world.environment(**KEYS, AWS_ENDPOINT_URL=world.plain.url, AWS_SERVER_SIDE_ENCRYPTION="sse-c")
    allowed = (
        "AWS_SERVER_SIDE_ENCRYPTION must be AES256, aws:kms or aws:kms:dsse.*"
        "other engines could not read"
    )
    with pytest.raises(InvalidName, match=allowed):
        open_store("s3://data")
    for arguments in (
        {"ServerSideEncryption": "sse-c"},
        {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "0" * 32},
    ):
        told = {"endpoint_url": world.plain.url, "extra_args": arguments}
        said = world.connection(**LOGIN, extra={"service_config": {"s3": told}})
        assert said.startswith("InvalidName")
        assert "other engines could not read" in said


@row("`AWS_REQUEST_PAYER`")
def _(world: World) -> None:
    world.environment(**KEYS, AWS_ENDPOINT_URL=world.plain.url, AWS_REQUEST_PAYER="requester")
    world.use()
    assert {one.headers.get("x-amz-request-payer") for one in world.asked()} == {"requester"}


@row("`AWS_MAX_ATTEMPTS`")
def _(world: World) -> None:
    world.environment(**KEYS, AWS_ENDPOINT_URL=NOWHERE, AWS_MAX_ATTEMPTS="2")
    begin = time.monotonic()
    with timeouts_of(60), pytest.raises(WarehouseUnavailable):
        open_store("s3://data").get("a")
    assert time.monotonic() - begin < 10


@row("an access point's alias as the bucket")
def _(world: World) -> None:
    world.amazon()
    assert (
        world.use("s3://name-abc-s3alias/prefix").host
        == "name-abc-s3alias.s3.eu-west-1.amazonaws.com"
    )
    assert [
        one.headers["x-amz-copy-source"]
        for one in world.proxy.asked
        if "x-amz-copy-source" in one.headers
    ] == ["name-abc-s3alias/prefix/a"]


@row("an access point's ARN as the bucket")
def _(world: World) -> None:
    with pytest.raises(InvalidName, match="alias"):
        open_store("s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/name/prefix")


@row("a directory bucket (`--x-s3`)")
def _(world: World) -> None:
    world.environment(**KEYS)
    with pytest.raises(InvalidName, match="no order"):
        open_store("s3://data--euw1-az1--x-s3/prefix")


LOGIN = {"login": "AKIACONNECTION", "password": "secret"}


@row("login, password, `aws_session_token`, `region_name`, `endpoint_url`")
def _(world: World) -> None:
    world.environment(AWS_ENDPOINT_URL_S3=NOWHERE, AWS_ENDPOINT_URL=NOWHERE)
    extra = {
        "aws_session_token": "the-token",
        "region_name": "eu-central-1",
        "endpoint_url": world.plain.url,
    }
    assert world.connection(**LOGIN, extra=extra) == ""
    asked = world.written()
    assert (asked.key_id, asked.region) == ("AKIACONNECTION", "eu-central-1")
    assert asked.headers["x-amz-security-token"] == "the-token"


@row("`profile_name`")
def _(world: World) -> None:
    world.profile(
        f"[profile lab]\nendpoint_url = {world.server.url}\nca_bundle = {world.root}\n"
        "region = eu-west-1\n",
        "[lab]\naws_access_key_id = AKIALAB\naws_secret_access_key = s\n",
    )
    assert world.connection(extra={"profile_name": "lab"}) == ""
    assert (world.written().key_id, world.written().region) == ("AKIALAB", "eu-west-1")


@row("`role_arn` in the connection")
def _(world: World) -> None:
    extra = {"role_arn": "arn:aws:iam::123456789012:role/nightly", "region_name": "eu-west-1"}
    addresses = {"sts": {"endpoint_url": world.plain.url}, "s3": {"endpoint_url": world.plain.url}}
    assert world.connection(**LOGIN, extra=extra | {"service_config": addresses}) == ""
    assert world.written().key_id == "AKIAASSUMEROLE"


@row("`verify`")
def _(world: World) -> None:
    extra = {"endpoint_url": world.server.url}
    assert "unknown issuer" in world.connection(**LOGIN, extra=extra)
    assert world.connection(**LOGIN, extra=extra | {"verify": str(world.root)}) == ""
    assert world.written().host == "localhost"
    world.server.asked.clear()
    world.server.objects.clear()
    assert world.connection(**LOGIN, extra=extra | {"verify": False}) == ""
    assert world.written().host == "localhost"


@row("`config_kwargs.proxies`")
def _(world: World) -> None:
    world.environment(HTTPS_PROXY=NOWHERE, HTTP_PROXY=NOWHERE)
    proxies = {"https": f"http://ada:s3cr3t@localhost:{world.proxy.port}"}
    extra = {
        "region_name": "eu-west-1",
        "verify": str(world.root),
        "config_kwargs": {"proxies": proxies},
    }
    assert world.connection(**LOGIN, extra=extra) == ""
    assert world.written().host == "data.s3.eu-west-1.amazonaws.com"
    world.proxy.asked.clear()
    extra = {"endpoint_url": world.plain.url, "config_kwargs": {"proxies": {}}}
    assert world.connection(**LOGIN, extra=extra) == ""
    assert world.written().host == "localhost"


@row("`config_kwargs.connect_timeout`, `config_kwargs.read_timeout`")
def _(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        extra = {"endpoint_url": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        config = {"read_timeout": 1, "connect_timeout": 1, "retries": {"total_max_attempts": 1}}
        said = world.connection(**LOGIN, extra=extra | {"config_kwargs": config})
    (seconds,) = re.findall(r" in (\d+)\.\d+s", said)
    assert "timed out" in said
    assert int(seconds) == 1


@row("`config_kwargs.s3`")
def _(world: World) -> None:
    world.amazon()
    extra = {"region_name": "eu-west-1", "config_kwargs": {"s3": {"addressing_style": "path"}}}
    assert world.connection(**LOGIN, extra=extra) == ""
    assert world.written().host == "s3.eu-west-1.amazonaws.com"


@row("`config_kwargs.retries`")
def _(world: World) -> None:
    extra = {
        "endpoint_url": NOWHERE,
        "config_kwargs": {"retries": {"total_max_attempts": 3, "mode": "standard"}},
    }
    assert "after 2 retries" in world.connection(**LOGIN, extra=extra)


@row("`config_kwargs.signature_version`")
def _(world: World) -> None:
    extra = {"endpoint_url": world.plain.url}
    assert (
        world.connection(extra=extra | {"config_kwargs": {"signature_version": "unsigned"}}) == ""
    )
    assert world.written().key_id is None
    said = world.connection(**LOGIN, extra=extra | {"config_kwargs": {"signature_version": "s3"}})
    assert said.startswith("InvalidName: signature_version is not supported")


@row("`config_kwargs.client_cert`")
def _(world: World) -> None:
    extra = {"endpoint_url": world.plain.url, "config_kwargs": {"client_cert": "/some/where.pem"}}
    assert world.connection(**LOGIN, extra=extra).startswith(
        "InvalidName: client_cert is not supported"
    )


@row("`config_kwargs.proxies_config`")
def _(world: World) -> None:
    proxies = {"https": f"http://localhost:{world.proxy.port}"}
    extra = {"region_name": "eu-west-1", "verify": str(world.root)}
    config = {"proxies": proxies, "proxies_config": {"proxy_ca_bundle": str(world.root)}}
    assert world.connection(**LOGIN, extra=extra | {"config_kwargs": config}) == ""
    config = {"proxies": proxies, "proxies_config": {"proxy_client_cert": "/some/where.pem"}}
    said = world.connection(**LOGIN, extra=extra | {"config_kwargs": config})
    assert said.startswith("InvalidName: proxies_config has proxy_client_cert or")


@row("`service_config.s3.endpoint_url`")
def _(world: World) -> None:
    extra = {"endpoint_url": NOWHERE, "service_config": {"s3": {"endpoint_url": world.plain.url}}}
    assert world.connection(**LOGIN, extra=extra) == ""
    assert world.written().host == "localhost"


@row("`service_config.s3.extra_args`, `service_config.s3.requester_pays`")
def _(world: World) -> None:
    arguments = {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "the-key",
        "BucketKeyEnabled": True,
    }
    told = {"endpoint_url": world.plain.url, "extra_args": arguments, "requester_pays": True}
    assert world.connection(**LOGIN, extra={"service_config": {"s3": told}}) == ""
    assert_encrypted(world.plain.asked)
    assert {one.headers.get("x-amz-request-payer") for one in world.asked()} == {"requester"}
    told = {"endpoint_url": world.plain.url, "extra_args": {"ACL": "public-read"}}
    said = world.connection(**LOGIN, extra={"service_config": {"s3": told}})
    assert said.startswith(
        "InvalidName: service_config.s3 of the Airflow connection 'aws_tried' has an "
        "unsupported setting"
    )


def catalogs(world: World) -> set[tuple[str, str | None]]:
    """Return host and catalog of the requests to Glue."""
    asked = [one for one in world.asked() if "x-amz-target" in one.headers]
    return {(one.host, json.loads(one.body).get("CatalogId")) for one in asked}


@row("`service_config.glue.catalog_id`")
def _(world: World) -> None:
    told = {"glue": {"catalog_id": "123456789012", "endpoint_url": world.plain.url}}
    extra = {"endpoint_url": world.plain.url, "service_config": told}
    assert (
        world.connection(uri="glue://eu-west-1?location=s3://data/prefix", **LOGIN, extra=extra)
        == ""
    )
    assert catalogs(world) == {("localhost", "123456789012")}


@row("`catalog_id=` in the URI")
def _(world: World) -> None:
    world.amazon()
    warehouse = connect("glue://eu-west-1?location=s3://data/prefix&catalog_id=123456789012")
    assert warehouse.metastore.databases() == ["shop"]
    assert catalogs(world) == {("glue.eu-west-1.amazonaws.com", "123456789012")}
    assert warehouse.uri.endswith("catalog_id=123456789012")


@row("`glue_endpoint_url=` in the URI, `AWS_ENDPOINT_URL_GLUE`, `service_config.glue.endpoint_url`")
def _(world: World) -> None:
    world.amazon(AWS_ENDPOINT_URL_GLUE=world.plain.url)
    assert connect("glue://eu-west-1?location=s3://data/prefix").metastore.databases() == ["shop"]
    world.environment(AWS_ENDPOINT_URL_GLUE=NOWHERE)
    uri = f"glue://eu-west-1?location=s3://data/prefix&glue_endpoint_url={world.plain.url}"
    assert connect(uri).metastore.databases() == ["shop"]
    assert catalogs(world) == {("localhost", None)}


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"])
def test_keys_are_sent_to_no_other_place_than_the_one_that_is_named(
    world: World, name: str
) -> None:
    """obstore prefers a variable to what it is given."""
    world.environment(**KEYS, **{name: world.server.url, "AWS_CA_BUNDLE": str(world.root)})
    store = connect(
        f"hive://127.0.0.1:1?location=s3://data/prefix&endpoint_url={world.plain.url}"
    ).store
    assert store.put_if_absent("a", b"1")
    assert world.server.asked == []
    assert len(world.plain.asked) == 1


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("http://no-such-host.invalid", "dns error"),
        ("refused", "Connection refused"),
        ("tls", "invalid certificate, unknown issuer"),
        ("name", "invalid certificate.*localhost"),
        ("silent", "timed out"),
    ],
)
def test_the_reason_of_a_failure_is_in_the_message(world: World, endpoint: str, why: str) -> None:
    world.environment(**KEYS)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        places = {"tls": world.server.url, "silent": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        places["refused"] = NOWHERE
        places["name"] = f"https://127.0.0.1:{world.server.port}"
        world.environment(AWS_ENDPOINT_URL=places.get(endpoint, endpoint))
        if endpoint == "name":
            world.environment(AWS_CA_BUNDLE=str(world.root))
        with timeouts_of(1), pytest.raises(WarehouseUnavailable, match=why) as refused:
            open_store("s3://data").get("a")
    assert "\n" not in str(refused.value)


def test_plain_keys_and_an_address_need_no_boto3(world: World) -> None:
    use = "from airflow_sfx.storage.factory import open_store; open_store('s3://b').get('a')"
    code = f"import sys; {use}; print('boto3' in sys.modules)"
    others = {"AWS_CA_BUNDLE": str(world.root), "AWS_ALLOW_HTTP": "true"}  # of no use here
    world.environment(**KEYS, **others, AWS_ENDPOINT_URL=world.plain.url)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_clients_of_one_process_read_what_describes_aws_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is megabytes of JSON, and each retention and erasure creates clients."""
    from botocore.loaders import JSONFileLoader

    world.environment(**KEYS, **REGION, AWS_ENDPOINT_URL=world.plain.url)
    Uploads("data", S3Access())
    read, load = [], JSONFileLoader.load_file

    def counted(self: JSONFileLoader, path: str) -> object:
        read.append(path)
        return load(self, path)

    monkeypatch.setattr(JSONFileLoader, "load_file", counted)
    Uploads("data", S3Access())
    assert read == []
