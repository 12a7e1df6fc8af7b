"""Gives each IP-Adapter that the scan has found the CLIP vision encoder that fits it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from models.catalog.scan import FoundEncoder, FoundModel
from models.files.image_encoder_keys import needed_width
from models.files.safetensors_header import HeaderError, read_header
from models.kinds.ip_adapter import FAMILY


def with_encoder(model: FoundModel, encoders: Sequence[FoundEncoder]) -> FoundModel:
    """An IP-Adapter with the first encoder of the width that it reads; any other model, or without one, unchanged."""
    if model.family != FAMILY.name or not encoders:
        return model
    with suppress(HeaderError, OSError):
        needed = needed_width(read_header(model.path))
        fitting = [encoder for encoder in encoders if needed and needed.fits(encoder.widths)]
        if fitting:
            return replace(model, fields={**model.fields, "encoder": str(fitting[0].path)})
    return model
