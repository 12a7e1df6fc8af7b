"""The examples of docs/client.md and of the client's README, as they stand there, with real pixels."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tests.support.docs import python_blocks
from tests.support.running_service import RunningService

README = "../clients/python/README.md"


def test_example_of_the_readme(service: RunningService, folder: Path) -> None:
    [program] = python_blocks(README)
    service.run_python(program, folder)
    assert described(folder / "house.png") == described(folder / "blue.png") == ("PNG", (128, 128))


def test_examples_of_the_page(service: RunningService, folder: Path) -> None:
    printed = service.run_python("\n".join(python_blocks("client.md")), folder)
    steps = [f"{step}/8" for step in range(1, 9)]
    assert printed[0] == "succeeded 128 7"
    assert printed[-2:] == ["succeeded", "invalid_params num_steps"]
    assert printed[1]  # the toy's caption
    assert set(printed[2:-2]) <= set(steps)
    assert described(folder / "boat.jpg") == ("JPEG", (128, 128))
    assert described(folder / "small.png") == ("PNG", (32, 32))
    for name in ("house-0.png", "house-1.png", "blue.png", "house-2.png"):
        assert described(folder / name) == ("PNG", (128, 128)), name


def described(file: Path) -> tuple[str | None, tuple[int, int]]:
    with Image.open(file) as picture:
        return picture.format, picture.size
