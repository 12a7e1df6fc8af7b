"""The examples of docs/dialects/apispace.md and nextgpu.md, as they stand there, and real pixels."""

from __future__ import annotations

import io
import json
from pathlib import Path

from PIL import Image

from tests.support.docs import shell_blocks
from tests.support.running_service import RunningService

[APISPACE], [NEXTGPU] = shell_blocks("dialects/apispace.md"), shell_blocks("dialects/nextgpu.md")


def test_example_of_apispace(service: RunningService, folder: Path) -> None:
    data = json.loads(service.run_script(APISPACE, folder))["data"]
    with Image.open(io.BytesIO(service.http.get(data["cdn"]).content)) as image:
        assert image.size == (128, 128)


def test_example_of_nextgpu(service: RunningService, folder: Path) -> None:
    images = json.loads(service.run_script(NEXTGPU, folder))["data"]
    assert len(images) == 2
    with Image.open(io.BytesIO(service.http.get(images[0]["url"]).content)) as image:
        assert image.width / image.height > 1.7
