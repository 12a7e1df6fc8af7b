"""The package as it would be published: built, complete, and free of what it does not name."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import get_type_hints

import hua_client
import pytest
from hua_client.inputs import decode

SOURCE = Path(__file__).parents[2] / "clients/python"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv, "uv is needed; `make test` brings it"
    command = [uv, "build", "--no-build-isolation", "--offline", "--python", sys.executable, "--out-dir", str(folder)]
    built = subprocess.run([*command, str(SOURCE)], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    [wheel] = folder.glob("hua_client-*.whl")
    return wheel


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def test_wheel_has_every_file_and_says_that_it_is_typed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("hua_client/")}
    files = {f"hua_client/{file.name}" for file in (SOURCE / "hua_client").iterdir() if file.is_file()}
    assert packed == files
    assert "hua_client/py.typed" in packed


def test_wheel_needs_httpx_alone(metadata: Message) -> None:
    assert metadata["Requires-Python"] == "<3.14,>=3.11"
    assert [need for need in metadata.get_all("Requires-Dist") if "extra" not in need] == ["httpx>=0.28"]


def test_types_of_all_methods_are_known_without_pillow() -> None:
    methods = inspect.getmembers(hua_client.Hua, inspect.isfunction)
    hints = {name: get_type_hints(method) for name, method in methods if not name.startswith("_")}
    assert hints["img2img"]["image"] == hints["upload"]["image"] == hua_client.ImageInput


def test_pillow_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        decode(b"")


def test_client_imports_neither_the_server_nor_pillow() -> None:
    code = "import sys, hua_client; print(*{'PIL', 'server', 'pipelines', 'models', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=SOURCE, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
