"""Describing an image in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipelines.pipeline import Steps

if TYPE_CHECKING:
    import numpy as np

    from models.language.captioner import Captioner

DEFAULT_CAPTIONER = "captioner"
"""The name of the captioner if a task names none."""

GENDERS: Mapping[str, str] = {
    **dict.fromkeys(("woman", "women", "girl", "girls", "lady", "female"), "1girl"),
    **dict.fromkeys(("man", "men", "boy", "boys", "gentleman", "male"), "1boy"),
}
"""Tags that anime models know, by words of a caption."""


def with_gender(text: str, description: str) -> str:
    """The prompt behind the tag for the first man or woman of the caption. A prompt that has such a tag stays."""
    words = re.findall(r"[a-z]+", description.lower())
    tag = next((GENDERS[word] for word in words if word in GENDERS), "")
    return text if not tag or re.search(r"\b\d(girl|boy)", text) else ", ".join(filter(None, (tag, text)))


def caption(captioner: Captioner, picture: np.ndarray) -> Steps[str]:
    """The caption of uint8 RGB pixels [height, width, 3]. Other tasks run between its tokens."""
    tokens = []
    for token in captioner.tokens(picture):
        tokens.append(token)
        yield []
    return captioner.text(tokens)
