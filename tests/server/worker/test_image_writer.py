"""What is stored of a result."""

import numpy as np
import pytest

from pipelines.pipeline import TaskResult
from server.queue import Lease
from server.storage.bucket_keys import MOMENT_S, swept_at
from server.task import RETENTION_S, Output, Task
from server.worker.image_writer import ImageWriter
from server.worker.stage_times import StageTimes

NOW = 1_700_000_000.0
PIXELS = np.zeros((8, 16, 3), np.uint8)


@pytest.fixture
def stored() -> dict[str, bytes]:
    return {}


@pytest.fixture
def writer(stored: dict[str, bytes]) -> ImageWriter:
    params = {"text": "x", "seed": 5, "num_samples": 2}
    output = Output(format="webp")
    task = Task(
        id="0" * 32, type="txt2img.sd", params=params, tenant="a", created_at=NOW, retention="5m", output=output
    )

    async def put(key: str, data: bytes) -> None:
        stored[key] = data

    return ImageWriter(Lease(task, "token", "worker"), put, lambda: NOW, StageTimes())


async def test_withheld_images_are_not_stored(writer: ImageWriter, stored: dict[str, bytes]) -> None:
    result = TaskResult([PIXELS, PIXELS], [PIXELS], reasons=["unsafe", "", "unsafe"])
    images = await writer.write(result, [5, 6])
    assert [(image.safe, image.kind, image.seed, image.bytes > 0) for image in images] == [
        (False, "image", 5, False),
        (True, "image", 6, True),
        (False, "hint", None, False),
    ]
    assert {(image.width, image.height, image.format) for image in images} == {(16, 8, "webp")}
    assert [image.key for image in images] == ["", *stored, ""]


async def test_images_expire_by_the_clock_of_all_roles(writer: ImageWriter) -> None:
    """I18: by the clock of a machine that is behind, they would be swept at once."""
    [image] = await writer.write(TaskResult([PIXELS]), [])
    assert NOW + RETENTION_S["5m"] < swept_at(image.key) <= NOW + RETENTION_S["5m"] + MOMENT_S
