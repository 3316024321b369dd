"""Signatures of artifacts in files: beside the zip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from airflow_sfx.models.files import artifact_from_file, write_artifact_file
from airflow_sfx.models.model import described
from airflow_sfx.models.signing.bundle import SIGNATURE, check_bundle, sign_artifact


@dataclass(frozen=True, slots=True)
class ModelSignature:
    """A signature of a version.

    Args:
        model: The version.
        key: The fingerprint of the public key: the SHA-256 of its PEM.
        path: Where the signature is.
    """

    model: str
    key: str
    path: str


def signature_file(path: Path) -> Path:
    """Return where the signature of a file is: beside it.

    Example:
        >>> str(signature_file(Path("delays-20161101002256.zip")))
        'delays-20161101002256.sigstore.json'
    """
    return path.with_suffix(SIGNATURE)


def sign_file(path: Path, key: Path, password: str | None) -> ModelSignature:
    """Sign a file; see `ModelSignatures.sign`.

    Args:
        path: The zip file.
        key: The file of the private key.
        password: The password of the key, or None if it has none.

    Returns:
        The signature.

    Raises:
        ModelRefused: It is not an artifact, or model-signing is not installed.
        InvalidName: The key cannot be used, or the file has a signature.
    """
    artifact, beside = artifact_from_file(path), signature_file(path)
    model = str(described(artifact, str(path)))
    fingerprint, bundle = sign_artifact(artifact, key, password)
    write_artifact_file(beside, bundle)
    return ModelSignature(model, fingerprint, str(beside))


def check_file(artifact: bytes, path: Path, key: Path) -> None:
    """Raise an error unless a file has a signature of a key beside it.

    Args:
        artifact: Its content.
        path: The zip file.
        key: The file of the public key.

    Raises:
        ModelRefused: It has none, or was altered since.
    """
    beside = signature_file(path)
    bundle = beside.read_bytes() if beside.is_file() else None
    check_bundle(artifact, bundle, key, str(path))
