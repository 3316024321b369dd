"""The call of the registry that signs versions, and the check of signatures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.models.log.base import ModelLog
from airflow_sfx.models.pin import ModelPin

if TYPE_CHECKING:
    from airflow_sfx.models.signing.files import ModelSignature

_FOLDER = "_sfx/signatures"
"""Below a model's directory, the signatures of its versions by key."""


class ModelSignatures(ModelLog):
    """Signatures, which are beside the artifacts: a version's zip never changes."""

    def sign(
        self,
        source: str | ModelPin | os.PathLike[str],
        *,
        key: str | os.PathLike[str],
        password: str | None = None,
    ) -> ModelSignature:
        """Sign a version with a private key, without a network.

        The signature is a bundle of Sigstore, which ``model_signing verify key`` checks as well.
        A version has one signature for each key; one that is there stays.

        Args:
            source: The version, as for `load`. The signature of a file is written beside it.
            key: The file of the private key, in PEM: ECDSA with P-256, P-384 or P-521.
            password: The password of the key, or None if it has none.

        Returns:
            The signature, and the fingerprint of the key.

        Raises:
            InvalidName: The key cannot be used, or the file has a signature.
            ModelRefused: The artifact is damaged, or model-signing is not installed.
            PartitionNotFound: There is no such model or alias.
            BatchNotFound: There is no such version.

        Example:
            >>> sfx.models.sign("delays@production", key="no.pem")  # doctest: +ELLIPSIS
            Traceback (most recent call last):
            ...
            airflow_sfx.core.errors.InvalidName: no.pem is not a private key that can be used...
        """
        from airflow_sfx.models.files import is_file
        from airflow_sfx.models.signing.bundle import sign_artifact
        from airflow_sfx.models.signing.files import ModelSignature, sign_file

        if is_file(source):
            return sign_file(Path(cast("str", source)), Path(key), password)
        pin = self._resolved(cast("str", source))
        data = self._artifact(pin)[0]
        _refuse_other(data, pin)
        fingerprint, bundle = sign_artifact(data, Path(key), password)
        path = self._signature_path(pin, fingerprint)
        store = self._warehouse.store
        store.put_if_absent(path, bundle)
        return ModelSignature(str(pin), fingerprint, f"{store.uri}/{path}")

    def _signed_artifact(
        self, source: str | ModelPin | os.PathLike[str], key: str | os.PathLike[str] | None
    ) -> tuple[bytes, str]:
        """Return an artifact, whose signature was checked if a key is given."""
        if key is None:
            return self._artifact(source)
        from airflow_sfx.models.files import is_file
        from airflow_sfx.models.signing.bundle import check_bundle, fingerprint_of
        from airflow_sfx.models.signing.files import check_file

        public = Path(key)
        if is_file(source):
            data, where = self._artifact(source)
            check_file(data, Path(where), public)
            return data, where
        pin = self._resolved(cast("str", source))
        path = self._signature_path(pin, fingerprint_of(public))
        data, where = self._artifact(pin)
        check_bundle(data, self._warehouse.store.get(path), public, where)
        _refuse_other(data, pin)
        return data, where

    def _signature_path(self, pin: ModelPin, fingerprint: str) -> str:
        from airflow_sfx.models.signing.bundle import SIGNATURE

        root = self._registry().table(pin.name).layout.root
        return f"{root}/{_FOLDER}/{pin.version}/{fingerprint}{SIGNATURE}"


def _refuse_other(artifact: bytes, pin: ModelPin) -> None:
    """Raise an error for the artifact of another version, whose signature is right as well."""
    from airflow_sfx.models.model import described

    found = described(artifact, str(pin))
    if (found.name, found.version) != (pin.name, pin.version):
        raise ModelRefused(
            f"the artifact of {pin} is that of {found}, which was put in its place: nothing of it"
            " was loaded"
        )
