"""Small packages: wheels without code of ours, and sources that build one without any other package."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BACKEND = """
import zipfile
from pathlib import Path

def build_wheel(folder, config_settings=None, metadata_directory=None):
    [wheel] = Path(__file__).parent.glob("*.whl")
    (Path(folder) / wheel.name).write_bytes(wheel.read_bytes())
    return wheel.name
"""
PROJECT = """
[project]
name = "{name}"
version = "1.0"
requires-python = ">=3.11"
{more}
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def write_wheel(folder: Path, name: str, tag: str) -> Path:
    """Version 1.0 of a package with one module, whose `TAG` is the tag of the wheel."""
    info, wheel = f"{name}-1.0.dist-info", folder / f"{name}-1.0-{tag}.whl"
    files = {
        f"{name}.py": f"TAG = {tag!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = [f"{path},sha256={_digest(text)},{len(text)}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""])
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def write_project(folder: Path, name: str, tag: str = "py3-none-any", more: str = "") -> Path:
    """A project whose build returns the wheel of `tag`; `more` are lines of its pyproject.toml."""
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PROJECT.format(name=name, more=more))
    (folder / "backend.py").write_text(BACKEND)
    write_wheel(folder, name, tag)
    return folder


def write_source(folder: Path, name: str, tag: str) -> Path:
    """The source of a package, as an index has it, whose build returns the wheel of `tag`."""
    project = write_project(folder / f"{name}-project", name, tag)
    source = folder / f"{name}-1.0.tar.gz"
    metadata = f"Metadata-Version: 2.2\nName: {name}\nVersion: 1.0\n".encode()
    with tarfile.open(source, "w:gz") as archive:
        archive.add(project, arcname=f"{name}-1.0")
        entry = tarfile.TarInfo(f"{name}-1.0/PKG-INFO")
        entry.size = len(metadata)
        archive.addfile(entry, io.BytesIO(metadata))
    return source


@contextmanager
def package_index(folder: Path) -> Iterator[str]:
    """The URL of a package index (PEP 503) with the wheels and sources of a folder."""
    files = [file for file in folder.iterdir() if file.suffix in (".whl", ".gz")]
    for name in {file.name.partition("-")[0] for file in files}:
        page = folder / "simple" / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        own = [file for file in files if file.name.startswith(f"{name}-")]
        links = [(f"/{file.name}#sha256={hashlib.sha256(file.read_bytes()).hexdigest()}", file.name) for file in own]
        page.write_text("".join(f'<a href="{address}">{text}</a>' for address, text in links))
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        server.shutdown()
        server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
