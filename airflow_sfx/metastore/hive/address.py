"""The addresses of Hive Metastores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.io.uris import is_host

DEFAULT_PORT = 9083
_LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Address:
    """The hosts of a Hive Metastore, and how clients authenticate.

    Args:
        hosts: Host names with ports, in the order in which clients try them.
        auth: ``NOSASL``, or ``KERBEROS`` for SASL with GSSAPI.
        service: The Kerberos service's name.
        source: What names the metastore, for messages, such as an Airflow connection; empty for
            nothing.

    Example:
        >>> Address.parse("one:9083,two", {}).hosts
        (('one', 9083), ('two', 9083))
    """

    hosts: tuple[tuple[str, int], ...]
    auth: str = "NOSASL"
    service: str = "hive"
    source: str = ""

    @classmethod
    def parse(cls, netloc: str, options: Mapping[str, str], source: str = "") -> Address:
        """Parse ``host:port,host:port``, with ``auth`` and ``kerberos_service_name``.

        Raises:
            InvalidName: A host is empty, a port is not a number, or the authentication is unknown.
        """
        hosts = []
        for number, part in enumerate(netloc.split(","), 1):
            host, _, port = part.rpartition(":") if ":" in part else (part, "", str(DEFAULT_PORT))
            if not is_host(part) or not 0 < int(port) <= _LAST_PORT:
                raise InvalidName(
                    f"host {number} of the Hive Metastore is not a host: write host or host:port,"
                    " as in host:9083, with commas between several"
                )
            hosts.append((host, int(port)))
        auth = options.get("auth", "NOSASL").upper()
        if auth not in ("NOSASL", "KERBEROS"):
            raise InvalidName("auth= has an unknown value: use NOSASL or KERBEROS")
        return cls(tuple(hosts), auth, options.get("kerberos_service_name", "hive"), source)

    def __str__(self) -> str:
        return ",".join(f"{host}:{port}" for host, port in self.hosts)
