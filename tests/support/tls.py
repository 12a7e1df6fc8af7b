"""Certificates for tests: an authority of a company's own, and a server on this machine that it vouches for."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(frozen=True)
class Certified:
    """PEM files; `bundle` has the authority behind another one, as companies hand them out."""

    authority: Path
    bundle: Path
    certificate: Path
    key: Path


def certified(folder: Path) -> Certified:
    """For the name `localhost`."""
    new = "req -newkey rsa:2048 -nodes"
    for name in ("authority", "other"):
        _openssl(folder, f"{new} -x509 -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem")
    _openssl(folder, f"{new} -subj /CN=localhost -keyout server.key -out server.csr")
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    signing = "-CA authority.pem -CAkey authority.key -CAcreateserial -days 2 -extfile names"
    _openssl(folder, f"x509 -req -in server.csr {signing} -out server.pem")
    (folder / "bundle.pem").write_text((folder / "other.pem").read_text() + (folder / "authority.pem").read_text())
    return Certified(*(folder / name for name in ("authority.pem", "bundle.pem", "server.pem", "server.key")))


def _openssl(folder: Path, words: str) -> None:
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler], given: Certified) -> Iterator[str]:
    """The address of a server that speaks TLS with this certificate."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(given.certificate, given.key)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"https://localhost:{server.server_port}"
        server.shutdown()
        thread.join()
