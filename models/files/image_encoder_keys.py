"""CLIP vision encoders, which IP-Adapters need: their widths, and the one that an adapter expects."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from models.files.safetensors_header import HeaderError, SafetensorsHeader, read_header
from models.plain_files import read_object

CLASS = "CLIPVisionModelWithProjection"
"""As the config of a folder of transformers names it."""
CLASS_EMBEDDING, PROJECTION = "vision_model.embeddings.class_embedding", "visual_projection.weight"


class EncoderWidths(NamedTuple):
    hidden: int
    projected: int


class NeededWidth(NamedTuple):
    """What an IP-Adapter reads from an encoder."""

    projected: bool
    """The embedding of the whole image; False: the hidden states of its patches."""
    width: int

    def fits(self, widths: EncoderWidths) -> bool:
        return self.width == (widths.projected if self.projected else widths.hidden)


def encoder_widths(header: SafetensorsHeader) -> EncoderWidths | None:
    """None if the file is no CLIP vision encoder."""
    hidden, projection = header.shape(CLASS_EMBEDDING), header.shape(PROJECTION)
    return EncoderWidths(hidden[0], projection[0]) if hidden and len(projection) == 2 else None


def encoder_folder_widths(folder: Path) -> EncoderWidths | None:
    """The same of a folder. Raises OSError."""
    classes = read_object(folder / "config.json").get("architectures")
    for file in sorted(folder.glob("*.safetensors")) if isinstance(classes, list) and CLASS in classes else ():
        with suppress(HeaderError):
            if widths := encoder_widths(read_header(file)):
                return widths
    return None


def needed_width(header: SafetensorsHeader) -> NeededWidth | None:
    """What the IP-Adapter of this header reads; None if the header does not tell."""
    for key, projected in (("proj", True), ("proj_in", False), ("proj.0", False)):
        if len(shape := header.shape(f"image_proj.{key}.weight")) == 2:
            return NeededWidth(projected, shape[1])
    return None
