"""Proxies and certificate authorities of AWS, as boto3 finds them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_sfx.core.errors import InvalidName, WarehouseUnavailable
from airflow_sfx.storage.s3_access import S3Access

_PROXIES = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}


def proxy_of(config: Any, url: str) -> tuple[str | None, str | None, bool]:
    """Return the proxy, its authorities, and whether to ignore the environment's."""
    from botocore.httpsession import ProxyConfiguration
    from botocore.utils import get_environ_proxies

    settings = config.proxies_config or {}
    if settings.get("proxy_client_cert") or settings.get("proxy_use_forwarding_for_https"):
        raise InvalidName(
            "proxies_config has proxy_client_cert or proxy_use_forwarding_for_https, which are not"
            " supported: use a proxy that identifies its clients by a login or their address"
        )
    proxies = get_environ_proxies(url) if config.proxies is None else config.proxies
    proxy = ProxyConfiguration(proxies).proxy_url_for(url)
    bundle = settings.get("proxy_ca_bundle")
    return proxy, _read_bundle(bundle).decode() if bundle else None, names_proxy(os.environ)


def authorities_of(access: S3Access, session: Any) -> tuple[bytes | None, bool]:
    """Return further certificate authorities, and whether certificates are verified."""
    verify = access.verify
    if verify is None:
        verify = (
            _bundle_of_profile(session.profile_name) or os.environ.get("REQUESTS_CA_BUNDLE") or True
        )
    if isinstance(verify, bool):
        return None, verify
    return _read_bundle(verify), True


def _bundle_of_profile(profile: str) -> str | None:
    """Return ``AWS_CA_BUNDLE`` or the profile's ``ca_bundle``, if set."""
    from botocore.session import Session

    found: str | None = Session(
        profile=None if profile == "default" else profile
    ).get_config_variable("ca_bundle")
    return found


def _read_bundle(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise WarehouseUnavailable(
            f"the certificate authorities in {path} cannot be read ({error.strerror}):"
            " AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE, ca_bundle of a profile or verify of an Airflow"
            " connection name a PEM file"
        ) from error


def names_proxy(environment: Mapping[str, str]) -> bool:
    """Return whether the environment names a proxy."""
    return any(name.upper() in _PROXIES for name, value in environment.items() if value)
