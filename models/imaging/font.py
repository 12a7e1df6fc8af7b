"""A font as a model: the bytes of its file, which Pillow reads."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import ImageFont

from models.files.weights_error import WeightsError, one_line

if TYPE_CHECKING:
    import torch

    from models.catalog.entry import ModelEntry


class FontError(WeightsError):
    """A file is no font."""


class Font:
    def __init__(self, entry: ModelEntry, device: torch.device) -> None:
        self.name = entry.name
        self.family: str = entry.family
        self.device = device
        self.file = entry.path.read_bytes()
        self.bytes = len(self.file)

    def to(self, device: torch.device) -> None:
        """It is in the memory of the host, whatever the device."""
        self.device = device


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Font:
    """Raises FontError."""
    font = Font(entry, device)
    try:
        ImageFont.truetype(io.BytesIO(font.file), 16)
    except OSError as error:
        message = f"{entry.path.name} is no font that can be read ({one_line(error)}); give a TrueType or OpenType file"
        raise FontError(message) from error
    return font
