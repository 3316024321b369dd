"""Signatures by OpenSSF model-signing: right ones, and what is refused without them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from typer.testing import CliRunner

from airflow_sfx.cli.main import app
from airflow_sfx.core.errors import InvalidName, ModelRefused
from airflow_sfx.models import model as models_model
from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.pin import ModelPin
from airflow_sfx.models.registry import ModelRegistry
from tests.serving.server import command, serving, until


def pair(folder: Path, name: str, key: object = None, password: str = "") -> tuple[Path, Path]:
    """Write a private key and its public key."""
    made = ec.generate_private_key(ec.SECP256R1()) if key is None else key
    locked = (
        serialization.BestAvailableEncryption(password.encode())
        if password
        else serialization.NoEncryption()
    )
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(
        made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    )
    public.write_bytes(
        made.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("keys")
    private, public = pair(folder, "ada")
    return {"private": private, "public": public, "other": pair(folder, "eve")[1]}


@pytest.fixture
def delays(models, train) -> ModelPin:
    return models.save(Coefficients({"distance": 0.02}), "delays", inputs={"train": train})


def zip_of(models: ModelRegistry, pin: ModelPin) -> Path:
    path = models._warehouse.uri.removeprefix("embedded://")
    (found,) = Path(path).rglob(f"{pin.name}-{pin.version}.zip")
    return found


def test_a_signed_version_is_loaded_and_verified_with_its_key(models, delays, keys) -> None:
    content = models.fetch(delays)
    signed = models.sign(delays, key=keys["private"])
    assert signed.model == str(delays)
    assert models.fetch(delays) == content
    assert models.sign("delays", key=keys["private"]) == signed
    assert models.load(delays, key=keys["public"]).version == delays.version
    assert models.verify("delays", key=str(keys["public"])).ok
    assert models.list() == ["delays"]


def test_the_library_s_own_command_checks_a_signature(models, delays, keys, tmp_path) -> None:
    file = tmp_path / f"delays-{delays.version}.zip"
    file.write_bytes(models.fetch(delays))
    words = ["model", "sign", str(file), "--key", str(keys["private"]), "--json"]
    signed = CliRunner().invoke(app, words, env={"SFX_WAREHOUSE": "embedded:///no"})
    found = json.loads(signed.stdout)
    assert found["path"] == str(file).replace(".zip", ".sigstore.json")
    check = [sys.executable, "-m", "model_signing", "verify", "key", str(file)]
    check += ["--signature", found["path"], "--public_key", str(keys["public"])]
    assert (
        "Verification succeeded"
        in subprocess.run(check, capture_output=True, text=True, check=True).stdout
    )
    assert models.load(file, key=keys["public"]).version == delays.version
    assert CliRunner().invoke(app, words).exit_code == 1  # it has a signature
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ModelRefused, match="nothing of it was loaded"):
        models.load(file, key=keys["public"])


def test_what_the_key_did_not_sign_is_refused_before_anything_is_read(
    models, delays, keys, monkeypatch
) -> None:
    """An altered zip, a signature of another key, none at all, rubbish."""
    monkeypatch.setattr(models_model, "read_artifact", lambda *_: pytest.fail("it was read"))
    with pytest.raises(ModelRefused, match="no signature of the key"):
        models.load(delays, key=keys["public"])
    monkeypatch.undo()
    signed = Path(models.sign(delays, key=keys["private"]).path.removeprefix("file:"))
    monkeypatch.setattr(models_model, "read_artifact", lambda *_: pytest.fail("it was read"))
    with pytest.raises(ModelRefused, match="no signature of the key"):
        models.load(delays, key=keys["other"])
    mine = signed.parent / signed.name.replace(signed.name[:64], fingerprint(keys["other"]))
    mine.write_bytes(signed.read_bytes())
    with pytest.raises(ModelRefused, match="its signature is of another key"):
        models.load(delays, key=keys["other"])
    bundle = signed.read_bytes()
    for damaged in (b"", b"{}", b"\x00", bundle[:-2], bundle.replace(b'"sig"', b'"gis"')):
        signed.write_bytes(damaged)
        with pytest.raises(ModelRefused, match="was altered"):
            models.load(delays, key=keys["public"])
    signed.write_bytes(bundle)
    path = zip_of(models, delays)
    good = path.read_bytes()
    for place in (0, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(ModelRefused, match="was altered"):
            models.load(delays, key=keys["public"])
    assert "was altered" in models.verify(delays, key=keys["public"]).problems[0]


def fingerprint(public: Path) -> str:
    from airflow_sfx.models.signing.bundle import fingerprint_of

    return fingerprint_of(public)


def test_an_older_signed_version_cannot_take_the_place_of_a_newer(
    models, train, keys, monkeypatch
) -> None:
    older, newer = (
        models.save(Coefficients({"distance": slope}), "delays", inputs={"train": train})
        for slope in (0.01, 0.02)
    )
    old, new = (Path(models.sign(one, key=keys["private"]).path[5:]) for one in (older, newer))
    content = models.fetch(older)
    new.write_bytes(old.read_bytes())
    monkeypatch.setattr("airflow_sfx.models.log.promotion.artifact_of", lambda *_: content)
    with pytest.raises(ModelRefused, match=f"is that of {older}, which was put in its place"):
        models.load(newer, key=keys["public"])
    with pytest.raises(ModelRefused, match="put in its place"):
        models.sign(newer, key=keys["private"])


def test_a_key_that_cannot_be_used_is_named(models, delays, keys, tmp_path) -> None:
    file = tmp_path / "delays.zip"
    file.write_bytes(models.fetch(delays))
    models.sign(file, key=keys["private"])
    locked, public = pair(tmp_path, "locked", password="secret")
    curve, _ = pair(tmp_path, "curve", ec.generate_private_key(ec.SECP256K1()))
    other, _ = pair(tmp_path, "other", ed25519.Ed25519PrivateKey.generate())
    for key, password in (
        (locked, None),
        (locked, "wrong"),
        (curve, None),
        (other, None),
        (keys["public"], None),
        (tmp_path / "no.pem", None),
    ):
        with pytest.raises(InvalidName, match=rf"{key.name} is not a private key") as refused:
            models.sign(delays, key=key, password=password)
        assert "wrong" not in str(refused.value)
    for key in (keys["private"], tmp_path / "no.pub"):
        for source in (delays, file):
            with pytest.raises(InvalidName, match="is not a public key"):
                models.load(source, key=key)
        with pytest.raises(InvalidName, match="is not a public key"):
            models.verify(delays, key=key)
    models.sign(delays, key=locked, password="secret")
    assert models.load(delays, key=public).name == "delays"


def test_without_the_library_the_extra_is_named(models, delays, keys, monkeypatch) -> None:
    models.sign(delays, key=keys["private"])
    for name in ("model_signing.signing", "model_signing.verifying"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModelRefused, match=r"pip install 'airflow-sfx\[sign\]'"):
        models.sign(delays, key=keys["private"])
    with pytest.raises(ModelRefused, match=r"pip install 'airflow-sfx\[sign\]'"):
        models.load(delays, key=keys["public"])
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.serialization", None)
    with pytest.raises(ModelRefused, match=r"pip install 'airflow-sfx\[sign\]'"):
        models.load(delays, key=keys["public"])


def test_a_server_serves_only_what_its_key_signed(warehouse, models, train, keys) -> None:
    good, unsigned = (
        models.save(Coefficients({"distance": slope}), "delays", inputs={"train": train})
        for slope in (0.01, 0.02)
    )
    models.promote("delays", unsigned)
    arguments = ("delays@production", "--key", str(keys["public"]))
    refused = subprocess.run(
        command(*arguments, uri=warehouse.uri), capture_output=True, text=True, check=False
    )
    assert (refused.returncode, "no signature of the key" in refused.stderr) == (1, True)
    models.sign(good, key=keys["private"])
    models.promote("delays", good)
    with serving(*arguments, uri=warehouse.uri) as server:
        models.promote("delays", unsigned)
        until(lambda: server.get("/readyz").json["trouble"] is not None)
        assert "no signature of the key" in server.get("/readyz").json["trouble"]["reason"]
        assert server.predict([{"distance": 100.0}]).json["model"] == str(good)
