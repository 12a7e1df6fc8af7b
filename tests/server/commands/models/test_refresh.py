import asyncio
import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.api.app import create_app
from server.commands.models.refresh import RefreshError, refresh
from server.process.http_listener import serve_app
from server.services import Services
from server.settings import Settings
from tests.support import model_files as files
from tests.support.model_files import write_model

KEY = "hua_test"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.mark.parametrize("overrides", [{"api_keys": [f"red:{hashlib.sha256(KEY.encode()).hexdigest()}"]}])
async def test_running_server_is_asked_and_its_changes_are_printed(
    services: Services, listener: socket.socket, tmp_path: Path
) -> None:
    settings = services.settings.model_copy(update={"host": "0.0.0.0", "port": listener.getsockname()[1]})
    serving = asyncio.create_task(serve_app(create_app(services), listener, 10))
    write_model(settings.models_path / "pen.safetensors", files.LORA_SD1)
    (key_file := tmp_path / "key").write_text(f"{KEY}\n")

    async def lines(key_file: Path | None) -> list[str]:
        return await asyncio.to_thread(lambda: list(refresh(settings, None, key_file)))

    with pytest.raises(RefreshError, match=r"has refused: .*give a key in --key-file"):
        await lines(None)
    assert await lines(key_file) == ["added: pen"]
    assert await lines(key_file) == ["nothing has changed"]
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


def test_server_that_does_not_run_is_reported(tmp_path: Path) -> None:
    with pytest.raises(RefreshError, match=r"http://127.0.0.1:9 cannot be reached .*start `hua serve`"):
        list(refresh(Settings(data_dir=tmp_path, port=9), None, None))
    with pytest.raises(RefreshError, match="none cannot be read"):
        list(refresh(Settings(data_dir=tmp_path), None, tmp_path / "none"))
