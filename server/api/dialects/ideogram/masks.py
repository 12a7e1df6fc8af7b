"""Masks of edits: black where the picture is to be painted, white where it stays."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from server.api.dialects.forms import Form
from server.api.dialects.ideogram.body import stored_file
from server.api.dialects.pictures import store_picture
from server.images.codec import BadImageError, encode
from server.services import Services
from server.task import Output
from server.tasks.input_images import DECODER, BadInputError, Upload
from server.tasks.submission import InvalidParamsError

if TYPE_CHECKING:
    import numpy as np

MASK = "mask"
DARK, BRIGHT = 64, 191
"""Levels up to DARK count as black, and from BRIGHT on as white, because a JPEG blurs edges."""
MOST_GREY = 0.05
"""The share of pixels that may be neither: those of a mask's smooth edges."""


async def stored_mask(services: Services, tenant: str, form: Form, picture: Upload) -> Upload:
    """The mask of a form, checked, in white where the picture is to be painted.

    Raises InvalidParamsError, BadInputError, UploadLimitError.
    """
    sent = await stored_file(services, tenant, form, MASK)
    if (sent.width, sent.height) != (picture.width, picture.height):
        raise InvalidParamsError(
            f"mask is {sent.width}x{sent.height}, but the picture is {picture.width}x{picture.height}; send a mask of "
            "the same size",
            MASK,
        )
    try:
        pixels = await DECODER.decode(form.files[MASK][0], sent.width * sent.height)
    except BadImageError as error:
        raise BadInputError(MASK, str(error)) from error
    marked = await asyncio.to_thread(_marked, pixels)
    return await store_picture(services, tenant, await asyncio.to_thread(encode, marked, Output(), None))


def _marked(pixels: np.ndarray) -> np.ndarray:
    """uint8 [height, width, 3]: white where a mask [height, width, 3 or 4] is black. Raises InvalidParamsError.

    Transparent pixels are white, as paper is.
    """
    import numpy as np

    levels = pixels[:, :, :3].astype(np.int16)
    if pixels.shape[2] == 4:
        levels += ((255 - levels) * (255 - pixels[:, :, 3:].astype(np.int32)) // 255).astype(np.int16)
    darkest, brightest = levels.min(axis=2), levels.max(axis=2)
    grey = float(((brightest > DARK) & (darkest < BRIGHT)).mean())
    if grey > MOST_GREY:
        raise InvalidParamsError(
            f"{grey:.0%} of the mask is neither black nor white; paint black what is to change, and white the rest",
            MASK,
        )
    black = brightest <= (DARK + BRIGHT) // 2
    if not black.any():
        raise InvalidParamsError(
            "the mask is all white, so nothing would change; paint what is to be changed black", MASK
        )
    if black.all():
        raise InvalidParamsError(
            "the mask is all black, so nothing of the picture would stay; paint white what is to stay, or use remix",
            MASK,
        )
    return np.where(black[:, :, None], np.uint8(255), np.uint8(0)).repeat(3, axis=2)
