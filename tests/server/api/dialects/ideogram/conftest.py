import io
from collections.abc import Callable

import pytest
from PIL import Image

HELPERS = """
  - {name: matting, path: toy.onnx, family: matting}
  - {name: esr, path: toy.safetensors, family: upscaler}
"""
Draw = Callable[..., bytes]


@pytest.fixture
def more_models() -> str:
    return HELPERS


@pytest.fixture
def settings(settings):
    (settings.models_path / "toy.onnx").write_bytes(b"weights")
    return settings


@pytest.fixture
def draw() -> Draw:
    """Draws a file: one colour, and a box of another one."""

    def drawn(
        size: tuple[int, int] = (96, 64),
        colour: object = "white",
        box: tuple[int, int, int, int] | None = None,
        ink: object = "black",
        mode: str = "RGB",
        kind: str = "PNG",
    ) -> bytes:
        picture, file = Image.new(mode, size, colour), io.BytesIO()
        if box is not None:
            picture.paste(ink, box)
        picture.save(file, kind)
        return file.getvalue()

    return drawn
