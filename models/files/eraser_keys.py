"""Whether a file holds the eraser LaMa."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.files.safetensors_header import SafetensorsHeader

FIRST_LAYER = "model.1.ffc.convl2l.weight"


def eraser_fields(header: SafetensorsHeader) -> Mapping[str, Any] | None:
    return {} if f"{FIRST_LAYER}\n" in header.key_lines else None
