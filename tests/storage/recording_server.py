"""A small S3 server that keeps objects in memory and records each request.

It speaks TLS with its own certificate authority.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

_ETAG = '"0123456789abcdef0123456789abcdef"'
_DATE = "Wed, 02 Nov 2016 23:42:52 GMT"


@dataclass(frozen=True)
class Asked:
    """A request as the server got it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def host(self) -> str:
        """Return the host of the request, without the port."""
        return self.headers["host"].partition(":")[0]

    @property
    def path(self) -> str:
        """The path that was asked for."""
        return urlsplit(self.target).path

    @property
    def key_id(self) -> str | None:
        """Return the access key of the signature, or None without one."""
        signed = self.headers.get("authorization", "")
        return signed.partition("Credential=")[2].partition("/")[0] or None

    @property
    def region(self) -> str:
        """The region that it is signed for."""
        return self.headers["authorization"].partition("Credential=")[2].split("/")[2]


class RecordingServer:
    """A handler that answers as S3 does, for any bucket and host.

    Args:
        certificate: The certificate and key, as one PEM file; None for a server without TLS.
        proxy: Whether it is a proxy, which is reached without TLS.
    """

    def __init__(self, certificate: Path | None = None, *, proxy: bool = False) -> None:
        self.asked: list[Asked] = []
        self.tunnels: list[Asked] = []
        self.objects: dict[str, bytes] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.context: ssl.SSLContext | None = None
        self.scheme = "http"
        if certificate is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
        if self.context is not None and not proxy:
            self.scheme = "https"
            self._server.socket = self.context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        """Return its address by name, as certificates need it."""
        return f"{self.scheme}://localhost:{self.port}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def recording(certificate: Path | None = None, *, proxy: bool = False) -> Iterator[RecordingServer]:
    """A running server."""
    server = RecordingServer(certificate, proxy=proxy)
    try:
        yield server
    finally:
        server.close()


def _handler(server: RecordingServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Write no log."""

        def handle(self) -> None:
            """Who does not trust the certificate goes away in the middle of the greeting."""
            with contextlib.suppress(OSError):
                super().handle()

        def _answer(self) -> None:
            body = self._body()
            asked = Asked(
                self.command,
                self.path,
                {name.lower(): text for name, text in self.headers.items()},
                body[:10_000],
            )
            server.asked.append(asked)
            parts = urlsplit(asked.target)
            query = parse_qs(parts.query, keep_blank_values=True)
            key = unquote(parts.path)
            if (told := _as_another_service(asked, body)) is not None:
                self._send(200, told)
            elif "list-type" in query:
                self._send(200, _LISTING)
            elif self.command == "POST" and "delete" in query:
                self._send(200, b"<DeleteResult><Deleted><Key>any</Key></Deleted></DeleteResult>")
            elif self.command == "POST" and "uploads" in query:
                self._send(
                    200,
                    b"<InitiateMultipartUploadResult><UploadId>u</UploadId>"
                    b"</InitiateMultipartUploadResult>",
                )
            elif self.command == "POST":
                self._send(
                    200,
                    (
                        f"<CompleteMultipartUploadResult><ETag>{_ETAG}</ETag>"
                        "</CompleteMultipartUploadResult>"
                    ).encode(),
                )
            elif self.command == "PUT" and "x-amz-copy-source" in asked.headers:
                server.objects[key] = b"copied"
                self._send(
                    200, f"<CopyObjectResult><ETag>{_ETAG}</ETag></CopyObjectResult>".encode()
                )
            elif self.command == "PUT":
                server.objects[key] = body
                self._send(200, b"")
            elif self.command == "DELETE":
                server.objects.pop(key, None)
                self._send(204, b"")
            else:
                found = server.objects.get(key)
                self._send(404 if found is None else 200, found or b"")

        def do_CONNECT(self) -> None:
            """As a proxy, it is every server that it is asked for."""
            server.tunnels.append(
                Asked(
                    "CONNECT",
                    self.path,
                    {name.lower(): text for name, text in self.headers.items()},
                )
            )
            self.send_response(200)
            self.end_headers()
            self.close_connection = False
            assert server.context is not None
            self.connection = server.context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = (
                self.connection.makefile("rb"),
                self.connection.makefile("wb", 0),
            )

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer

        def _body(self) -> bytes:
            length = int(self.headers.get("content-length", 0))
            return self.rfile.read(length)

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("ETag", _ETAG)
            self.send_header("Last-Modified", _DATE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    return Handler


def _as_another_service(asked: Asked, body: bytes) -> bytes | None:
    """The answer of a service that gives credentials, or of Glue; None to what is S3's."""
    ends = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    given = {
        "AccessKeyId": "",
        "SecretAccessKey": "secret",
        "Token": "token",
        "Expiration": ends,
        "Code": "Success",
    }
    if b"Action=AssumeRole" in body:
        action = "AssumeRoleWithWebIdentity" if b"WithWebIdentity" in body else "AssumeRole"
        names = {
            "AccessKeyId": f"AKIA{action.upper()}",
            "SecretAccessKey": "secret",
            "SessionToken": "token",
            "Expiration": ends,
        }
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in names.items())
        whole = f"<{action}Result><Credentials>{inner}</Credentials></{action}Result>"
        return f"<{action}Response>{whole}</{action}Response>".encode()
    if "x-amz-target" in asked.headers:
        return b'{"DatabaseList": [{"Name": "shop"}]}'
    answers = {
        "/container": json.dumps(given | {"AccessKeyId": "AKIACONTAINER"}),
        "/latest/api/token": "metadata-token",
        "/latest/meta-data/iam/security-credentials/": "role",
        "/latest/meta-data/iam/security-credentials/role": json.dumps(
            given | {"AccessKeyId": "AKIAINSTANCE"}
        ),
    }
    found = answers.get(asked.path)
    return None if found is None else found.encode()


_LISTING = (
    b"<ListBucketResult><Name>b</Name><KeyCount>0</KeyCount>"
    b"<IsTruncated>false</IsTruncated></ListBucketResult>"
)


def make_authority(folder: Path, *names: str) -> tuple[Path, Path]:
    """Create a certificate authority and a server's certificate with its key.

    The certificate is for localhost and the given names.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = datetime.now(UTC)

    def built(name: str, key: Any, issuer: str, *extensions: Any) -> x509.CertificateBuilder:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder

    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = built(
        "Tests", authority_key, "Tests", x509.BasicConstraints(ca=True, path_length=None)
    )
    server = built(
        "localhost",
        key,
        "Tests",
        x509.SubjectAlternativeName(list(map(x509.DNSName, ("localhost", *names)))),
    )
    root, both = folder / "authority.pem", folder / "server.pem"
    pem = serialization.Encoding.PEM
    root.write_bytes(authority.sign(authority_key, hashes.SHA256()).public_bytes(pem))
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    both.write_bytes(private + server.sign(authority_key, hashes.SHA256()).public_bytes(pem))
    return root, both
