"""Describing an image in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.pipeline import Steps

if TYPE_CHECKING:
    import numpy as np

    from models.language.captioner import Captioner

DEFAULT_CAPTIONER = "captioner"
"""The name of the captioner if a task names none."""


def caption(captioner: Captioner, picture: np.ndarray) -> Steps[str]:
    """The caption of uint8 RGB pixels [height, width, 3]. Other tasks run between its tokens."""
    tokens = []
    for token in captioner.tokens(picture):
        tokens.append(token)
        yield []
    return captioner.text(tokens)
