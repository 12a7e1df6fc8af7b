"""What a request costs in the points of the hosted service, by the formulas of its document. Hua has no points."""

from __future__ import annotations

from pydantic import BaseModel, Field

from server.api.dialects.chuzhan.request import DEFAULT_SIDE, DrawRequest

STEP_PRICE, UPSCALE_PRICE = 0.000000763, 0.0000038
"""Points a pixel: of one step, and of an enlargement by 1."""
DEFAULT_STEPS = 20
LEAST_BASE_SIDE, LEAST_UPSCALE_SIDE = 512, 256
"""Smaller sides, in pixels, cost as much as these."""
UNIT_PRICE, OPTION_PRICE, GENDER_PRICE = 2, 2, 1
BATCH_FACTOR = 0.9


class ConsumeItem(BaseModel):
    count: float = Field(description="Points.")
    desc: str = Field(description="What they are for.")


def consumption(request: DrawRequest) -> list[ConsumeItem]:
    """The parts of the price of all images of a request, in its order."""
    options = request.img_options
    parts = {
        "base": _base(request),
        "hrScale": _second_pass(request),
        "upscale": _upscale(request),
        "controlnet": UNIT_PRICE * len(request.controlnet.units),
        "removeBackground": OPTION_PRICE * options.remove_background,
        "redrawBackground": OPTION_PRICE * options.redraw_background,
        "facePreservation": OPTION_PRICE * options.face_preservation,
        "faceFix": OPTION_PRICE * request.face_fix,
        "genderDetect": GENDER_PRICE * options.gender_detect,
    }
    factor = request.batch_size * (BATCH_FACTOR if request.batch_size > 1 else 1)
    return [ConsumeItem(count=round(count * factor, 4), desc=desc) for desc, count in parts.items() if count]


def price(request: DrawRequest) -> int:
    """The whole price, as the document's examples round it."""
    return round(sum(part.count for part in consumption(request)))


def _base(request: DrawRequest) -> float:
    width, height = _sides(request, LEAST_BASE_SIDE)
    return width * height * STEP_PRICE * (request.steps or DEFAULT_STEPS)


def _second_pass(request: DrawRequest) -> float:
    if request.second_pass_scale == 1:
        return 0
    width, height = _sides(request, 0)
    return width * height * request.second_pass_scale**2 * STEP_PRICE * request.hr_steps


def _upscale(request: DrawRequest) -> float:
    if request.upscale <= 1:
        return 0
    width, height = (max(side * request.second_pass_scale, LEAST_UPSCALE_SIDE) for side in _sides(request, 0))
    return width * height * UPSCALE_PRICE * request.upscale


def _sides(request: DrawRequest, least: int) -> tuple[int, int]:
    return max(request.width or DEFAULT_SIDE, least), max(request.height or DEFAULT_SIDE, least)
