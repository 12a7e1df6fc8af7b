"""CLIP vision encoders, which IP-Adapters need: their widths, and the one that an adapter expects."""

from __future__ import annotations

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


def encoder_widths(path: Path) -> EncoderWidths | None:
    """None if the folder or file is no CLIP vision encoder. Raises OSError."""
    if not path.is_dir():
        return _widths(path)
    classes = read_object(path / "config.json").get("architectures")
    files = sorted(path.glob("*.safetensors")) if isinstance(classes, list) and CLASS in classes else []
    return next((widths for file in files if (widths := _widths(file))), None)


def needed_width(header: SafetensorsHeader) -> NeededWidth | None:
    """What the IP-Adapter of this header reads; None if the header does not tell."""
    for key, projected in (("proj", True), ("proj_in", False), ("proj.0", False)):
        if len(shape := header.shape(f"image_proj.{key}.weight")) == 2:
            return NeededWidth(projected, shape[1])
    return None


def _widths(file: Path) -> EncoderWidths | None:
    try:
        header = read_header(file)
    except HeaderError:
        return None
    hidden, projection = header.shape(CLASS_EMBEDDING), header.shape(PROJECTION)
    return EncoderWidths(hidden[0], projection[0]) if hidden and len(projection) == 2 else None
