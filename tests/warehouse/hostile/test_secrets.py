"""Secrets in URIs are not repeated, stored, or made part of a name."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings

import airflow_sfx as sfx
from airflow_sfx.assets import announce
from airflow_sfx.core.io.uris import clean_uri
from airflow_sfx.storage.factory import open_place, open_store
from airflow_sfx.storage.s3_access import S3Access
from tests.warehouse.canaries import CANARY, SPELLINGS, told_by

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "any",
    "AWS_EC2_METADATA_DISABLED": "true",
}
NAMED = [
    f"hive://ada:{CANARY}@host:9083?location=s3://bucket/prefix",
    f"hive://ada:{CANARY}/x@host:9083?location=s3://bucket/prefix",
    f"hive://ada:{CANARY}?x@host:9083?location=s3://bucket/prefix",
    f"hive://ada:{CANARY}#x@host:9083?location=s3://bucket/prefix",
    f"hive://one:9083,ada:{CANARY}@two?location=s3://bucket/prefix",
    f"hive://ada%3A{CANARY}%40host:9083?location=s3://bucket/prefix",
    f"hive:/ada:{CANARY}@host:9083?location=s3://bucket/prefix",
    f"hive:///ada:{CANARY}@host:9083?location=s3://bucket/prefix",
    f"ada:{CANARY}@host:9083",
    f"hive://{CANARY}@host:9083?location=s3://bucket/prefix",
    f"s3://{CANARY}%40bucket/prefix",
    f"{CANARY}",
    f"AKIAEXAMPLE:{CANARY}@bucket/prefix",
    f"s3:/AKIAEXAMPLE:{CANARY}@bucket/prefix",
    f"s3:///AKIAEXAMPLE:{CANARY}@bucket/prefix",
    f"s3://AKIAEXAMPLE%3A{CANARY}%40bucket/prefix",
    f"embedded:///AKIAEXAMPLE:{CANARY}@bucket/prefix",
    f"embedded:///AKIAEXAMPLE%3A{CANARY}%40bucket/prefix",
    f"embedded:///tmp/x?password={CANARY}",
    f"embedded:///tmp/x#{CANARY}",
    f"embedded:tmp/x?{CANARY}",
    f"embedded:///tmp/x?layout={CANARY}",
    f"hive://host:9083?location=s3://bucket/prefix&secret_access_key={CANARY}",
    f"hive://host:9083?location=s3://bucket/prefix&{CANARY}",
    f"hive://host:9083?location=s3%3A%2F%2FAKIA%3A{CANARY}%40bucket/prefix",
    f"hive://host:9083?location=s3://bucket/prefix?token={CANARY}",
    f"hive://host:9083?location=AKIA:{CANARY}@bucket",
    f"hive://host:9083?location=s3://bucket/prefix&endpoint_url=http://ada:{CANARY}@host:1",
    f"hive://host:9083?location=s3://bucket/prefix&endpoint_url=http://host:1?X-Amz-Signature={CANARY}",
    f"hive://host:9083?location=s3://bucket/prefix&kerberos_service_name=hive:{CANARY}@x&auth=KERBEROS",
    f"hive://host:{CANARY}?location=s3://bucket/prefix",
    f"hive://[{CANARY}?location=s3://bucket/prefix",
    f"hive://host\u2100{CANARY}?location=s3://bucket/prefix",
    f"glue://{CANARY}?location=s3://bucket/prefix",
    f"glue://eu-west-1?location=s3://bucket/prefix&glue_endpoint_url=http://host:1#{CANARY}",
]


@pytest.fixture
def keys(monkeypatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory) -> sfx.Warehouse:
    warehouse = sfx.connect(f"embedded://{tmp_path_factory.mktemp('kept')}")
    warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "shop", "sold", ["20161031"])
    return warehouse


def moved(pin: sfx.BatchPin, location: str) -> sfx.BatchPin:
    return sfx.BatchPin.from_json(json.dumps({**json.loads(pin.to_json()), "location": location}))


def calls(warehouse: sfx.Warehouse, text: str) -> list:
    """Each call that takes a URI."""
    pin = warehouse.pin("shop", "sold", ["20161031"])
    return [
        lambda: sfx.connect(text),
        lambda: open_store(text),
        lambda: open_store("s3://bucket", S3Access(endpoint=text)),
        lambda: warehouse.adopt("shop", "old", text),
        lambda: announce(pin, text, "a token"),
    ]


def shown_by(call) -> str:
    """Return all text of a call: its error with causes, or the names of the opened."""
    try:
        found = call()
    except sfx.SfxError as error:
        return told_by(error)
    opened = found[0] if isinstance(found, tuple) else found
    return f"{opened!r} {opened.uri} {getattr(opened, 'store', opened).uri}"


@pytest.mark.parametrize("text", NAMED)
def test_a_secret_in_a_uri_is_in_no_message_cause_log_or_name(
    keys, warehouse, caplog, text: str, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG)
    for number, call in enumerate(calls(warehouse, text)):
        assert CANARY not in shown_by(call), number
    assert CANARY not in caplog.text
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=300, deadline=None)
@given(SPELLINGS.filter(lambda text: not text.startswith("file:/")))
def test_a_location_that_names_no_place_is_not_repeated(text: str) -> None:
    """A path of this machine is one, whatever its name; anything else with a login names none."""
    assert CANARY not in shown_by(lambda: open_place(text))


@settings(max_examples=300, deadline=None)
@given(SPELLINGS)
def test_no_spelling_of_a_secret_is_repeated(warehouse, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        for number, call in enumerate(calls(warehouse, text)):
            assert CANARY not in shown_by(call), number


@pytest.mark.parametrize("text", NAMED[::5])
def test_the_command_says_what_is_wrong_and_not_the_secret(text: str, tmp_path) -> None:
    environment = {
        **os.environ,
        **KEYS,
        "HOME": str(tmp_path),
        "SFX_WAREHOUSE": f"embedded://{tmp_path}/w",
    }
    code = "import sys; from airflow_sfx.cli.main import app; app(sys.argv[1:])"
    for arguments in (["--warehouse", text, "tables"], ["adopt", "shop.old", f"{text}?"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 1, done
        assert CANARY not in done.stdout + done.stderr
        assert "InvalidName" in done.stderr


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
@pytest.mark.parametrize(
    "text",
    [f"http://ada:{CANARY}@host:1", f"ada:{CANARY}@host", f"http://host:1/?token={CANARY}", CANARY],
)
def test_a_secret_in_the_environment_s_endpoint_is_not_shown(
    keys, monkeypatch, caplog, name: str, text: str
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(name, text)
    with pytest.raises(sfx.InvalidName) as refused:
        sfx.connect("hive://127.0.0.1:1?location=s3://bucket/prefix").store.get("x")
    assert CANARY not in told_by(refused.value) + caplog.text


def test_a_pin_of_a_place_with_a_login_shows_the_place_alone(warehouse) -> None:
    pin = moved(
        warehouse.pin("shop", "sold", ["20161031"]),
        f"s3://AKIAEXAMPLE:{CANARY}@bucket/shop.db/sold",
    )
    with pytest.raises(sfx.InvalidName, match="s3://bucket/shop.db/sold") as refused:
        warehouse.load_dataframe(pin)
    assert CANARY not in told_by(refused.value)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("s3a://AKIA:s3cr3t@bucket/a/b", "s3a://bucket/a/b"),
        ("s3://AKIA:s3%2Fcr3t@bucket", "s3://bucket"),
        ("s3://AKIA:s3/cr3t@bucket/a", "s3://..."),
        ("s3:///AKIA:s3cr3t@bucket/a", "s3://..."),
        ("s3://bucket/day=a%3Ab@c", "s3://bucket/day=a%3Ab@c"),
        ("s3://bucket/team@lab/a?b#c", "s3://bucket/team@lab/a?b#c"),
        ("hdfs://name-node:8020/user/hive", "hdfs://name-node:8020/user/hive"),
        ("hdfs:///user/hive", "hdfs:///user/hive"),
        ("abfss://lake@acct.dfs.core.windows.net/t", "abfss://lake@acct.dfs.core.windows.net/t"),
        (
            "wasb://$root@acct.blob.core.windows.net/t/",
            "wasb://$root@acct.blob.core.windows.net/t/",
        ),
        ("abfss://acct:s3cr3t@lake.dfs.core.windows.net/t", "abfss://lake.dfs.core.windows.net/t"),
        (
            "abfss://acct%3As3cr3t@lake.dfs.core.windows.net/t",
            "abfss://lake.dfs.core.windows.net/t",
        ),
        ("abfss://acct:s3/cr3t@lake.dfs.core.windows.net/t", "abfss://..."),
        ("file:/data/me@lab", "file:/data/me@lab"),
        ("file:///data/me@lab", "file:///data/me@lab"),
        ("/data", "/data"),
    ],
)
def test_a_location_stays_the_same_place_without_its_login(text: str, clean: str) -> None:
    assert clean_uri(text) == clean
    assert clean_uri(clean) == clean


def test_a_home_directory_with_an_at_sign_is_a_place_for_a_warehouse(tmp_path: Path) -> None:
    place = tmp_path / "ada@lab"
    warehouse = sfx.connect(f"embedded://{place}")
    warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "shop", "sold")
    assert sfx.connect(warehouse.uri).load_dataframe("shop", "sold")["n"].tolist() == [1]


def repeating(token_as: str) -> type[BaseHTTPRequestHandler]:
    """Return a server that refuses each request and repeats its token, as S3 does."""

    class Refusing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Write no log."""

        def _refuse(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            body = token_as.format(self.headers["x-amz-security-token"]).encode()
            self.send_response(403)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _refuse

    return Refusing


@pytest.fixture
def refusing(keys, monkeypatch, request) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), repeating(request.param))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("AWS_SESSION_TOKEN", CANARY)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


EXPIRED = (
    "<Error><Code>ExpiredToken</Code><Message>The token has expired.</Message>"
    "<Token-0>{}</Token-0></Error>"
)
UNLIKE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SignatureDoesNotMatch</Code>'
    "<Message>It does not match.</Message>"
    "<CanonicalRequest>GET\n/\n\nx-amz-security-token:{}\n</CanonicalRequest></Error>"
)


@pytest.mark.parametrize(
    ("refusing", "said"),
    [
        (EXPIRED, "ExpiredToken: The token has expired."),
        (UNLIKE, "SignatureDoesNotMatch: It does not match."),
        ("no entry for {}", "403 Forbidden"),
        ('{{"refused":\n"{}"}}', "403 Forbidden"),
    ],
    indirect=["refusing"],
)
@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.get("x"),
        lambda store: store.put_if_absent("x", b"1"),
        lambda store: store.list_directories("x"),
        lambda store: store.copy("x", "y"),
        lambda store: store.delete(["x"]),
    ],
    ids=["get", "put", "list", "copy", "delete"],
)
def test_a_session_token_in_an_answer_of_s3_is_not_repeated(refusing, said, call, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(sfx.WarehouseUnavailable, match=said) as refused:
        call(open_store("s3://bucket/prefix", S3Access(endpoint=refusing)))
    assert (
        CANARY
        not in str(refused.value) + "".join(traceback.format_exception(refused.value)) + caplog.text
    )


@pytest.mark.parametrize(
    ("refusing", "said"),
    [
        (EXPIRED, "ExpiredToken.*The token has expired."),
        (UNLIKE, "SignatureDoesNotMatch.*It does not match."),
    ],
    indirect=["refusing"],
)
def test_a_session_token_in_an_answer_about_uploads_is_not_repeated(refusing, said) -> None:
    store = open_store("s3://bucket/prefix", S3Access(endpoint=refusing))
    with pytest.raises(sfx.WarehouseUnavailable, match=said) as refused:
        store.unfinished("x")
    assert CANARY not in "".join(traceback.format_exception(refused.value))


SIGNED = (
    '{{"__type": "InvalidSignatureException", '
    '"message": "The signature does not match.\\n\\nThe Canonical String for this '
    "request should have been\\n'POST\\n/\\n\\nx-amz-security-token:{}'\"}}"
)


@pytest.mark.parametrize("refusing", [SIGNED], indirect=True)
def test_a_session_token_in_an_answer_of_glue_is_not_repeated(refusing) -> None:
    warehouse = sfx.connect(
        f"glue://eu-west-1?location=s3://bucket/prefix&glue_endpoint_url={refusing}"
    )
    with pytest.raises(sfx.WarehouseUnavailable, match="The signature does not match") as refused:
        warehouse.tables()
    assert CANARY not in "".join(traceback.format_exception(refused.value))
