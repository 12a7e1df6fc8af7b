"""Limits that several task types share: field types with ranges, and the errors for images that break them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

LONGEST_SIDE = 8192
"""Longest side, in pixels, of an image that a task reads or makes."""
SEEDS = 2**32
"""Seeds are 0 to SEEDS - 1."""

ImageSide = Annotated[int, Field(ge=1, le=LONGEST_SIDE)]
"""Side of an image, in pixels."""
GeneratedSide = Annotated[int, Field(ge=64, le=LONGEST_SIDE)]
"""Side of an image that a diffusion model generates, in pixels."""
Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=SEEDS)]
CallbackUrl = Annotated[
    str,
    Field(max_length=2048, description="Accepted for old clients. The request's own callback URL takes precedence."),
]
DetectorName = Annotated[
    str, Field(max_length=64, description="A face detector, of family `face`, that GET /v1/models lists.")
]


class NoFaceError(ValueError):
    """There is no face in an image that needs one."""

    code = "bad_input"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} shows no face that can be found; send a picture with a larger or clearer face")


class SizeMismatchError(ValueError):
    """Images that belong together differ in size or shape."""

    code = "bad_input"


class TooLargeError(ValueError):
    """An image that a task reads or would make has too many pixels."""

    code = "bad_input"


def refuse_too_many_pixels(subject: str, size: tuple[int, int], limit: int, advice: str) -> None:
    """Raises TooLargeError if `size`, width and height, has more pixels than `limit` × `limit`."""
    width, height = size
    if width * height > limit * limit:
        raise TooLargeError(
            f"{subject} is {width}×{height} pixels; the limit is {limit * limit} pixels ({limit}×{limit}); {advice}"
        )
