"""Signatures of artifacts: bundles of Sigstore by model-signing, with a key.

What is signed is the zip file as it is. The zip names the model and the version, so a signature is
of these, too.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_sfx.core.errors import InvalidName, ModelRefused
from airflow_sfx.models.flavours.base import require

SIGNATURE = ".sigstore.json"
"""How the names of signatures end."""
_EXTRA = "'airflow-sfx[sign]'"
_ARTIFACT, _BUNDLE = "artifact.zip", "bundle.json"


def sign_artifact(artifact: bytes, key: Path, password: str | None) -> tuple[str, bytes]:
    """Sign an artifact.

    Args:
        artifact: The zip file.
        key: The file of the private key, in PEM: ECDSA with P-256, P-384 or P-521.
        password: The password of the key, or None if it has none.

    Returns:
        The fingerprint of the public key, and the signature.

    Raises:
        InvalidName: The key cannot be read or used.
        ModelRefused: model-signing is not installed.
    """
    signing = _library("model_signing.signing")
    secret: Any = None if password is None else password.encode()
    with _files(artifact) as folder:
        try:
            fingerprint = _fingerprint(key, secret)
            signer = signing.Config().use_elliptic_key_signer(private_key=key, password=secret)
            signer.sign(folder / _ARTIFACT, folder / _BUNDLE)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise _unusable(key, "private", error) from error
        return fingerprint, (folder / _BUNDLE).read_bytes()


def fingerprint_of(key: Path) -> str:
    """Return the fingerprint of a public key: the SHA-256 of its PEM, as signatures name it.

    Args:
        key: The file of the public key, in PEM.

    Raises:
        InvalidName: It is not the file of a public key.
        ModelRefused: cryptography is not installed.
    """
    serialization = _library("cryptography.hazmat.primitives.serialization")
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return _digest(serialization.load_pem_public_key(key.read_bytes()))
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise _unusable(key, "public", error) from error


def check_bundle(artifact: bytes, bundle: bytes | None, key: Path, where: str) -> None:
    """Raise an error unless an artifact has a signature of a key.

    Args:
        artifact: The zip file, of which nothing has been read yet.
        bundle: The signature, or None if there is none.
        key: The file of the public key.
        where: The artifact, for messages.

    Raises:
        ModelRefused: It has none, or was altered since, or model-signing is not installed.
        InvalidName: The key cannot be used.
    """
    fingerprint = fingerprint_of(key)
    if bundle is None:
        raise ModelRefused(
            f"{where} has no signature of the key {key} ({fingerprint[:16]}…), which is"
            " demanded: nothing of it was loaded; sign it with `sfx model sign` if you know who"
            " made it"
        )
    verifying = _library("model_signing.verifying")
    hashing = _library("model_signing.hashing")
    with _files(artifact) as folder:
        (folder / _BUNDLE).write_bytes(bundle)
        verifier = verifying.Config().set_hashing_config(hashing.Config())
        try:
            verifier.use_elliptic_key_verifier(public_key=key).verify(
                folder / _ARTIFACT, folder / _BUNDLE
            )
        except Exception as error:  # the library raises anything at a bundle that it does not know
            raise ModelRefused(
                f"{where} does not have the content that the key {key} signed"
                f" ({type(error).__name__}): it was altered, or its signature is of another key;"
                " nothing of it was loaded"
            ) from error


def _fingerprint(key: Path, secret: bytes | None) -> str:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return _digest(load_pem_private_key(key.read_bytes(), secret).public_key())


def _digest(public: Any) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(pem).hexdigest()


@contextmanager
def _files(artifact: bytes) -> Iterator[Path]:
    """Return a folder with an artifact in it, until the block ends: the library reads files."""
    with tempfile.TemporaryDirectory(prefix="sfx-sign-") as folder:
        path = Path(folder, _ARTIFACT)
        path.write_bytes(artifact)
        yield Path(folder)


def _library(name: str) -> Any:
    return require(name, _EXTRA, "a signature")


def _unusable(key: Path, kind: str, error: Exception) -> InvalidName:
    why = getattr(error, "strerror", None) or error
    return InvalidName(
        f"{key} is not a {kind} key that can be used ({why}): pass the PEM of an elliptic key of"
        " P-256, P-384 or P-521, and its password if it has one"
    )
