"""What the header of a single-file checkpoint tells about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from models.files.safetensors_header import SafetensorsHeader
from models.files.unet_keys import LDM_PREFIX, UNetKeys, find_unet

INPAINTING_CHANNELS, PLAIN_CHANNELS = 9, 4
REFINER_WIDTH = 1280
_RESOLUTION = re.compile(r"(\d{2,4})x(\d{2,4})")


def checkpoint_fields(header: SafetensorsHeader, family: str) -> Mapping[str, Any] | None:
    """The fields of a `models.yaml` entry for a checkpoint of this family; None if the file is none."""
    unet = find_unet(header)
    if unet is None or unet.family != family or unet.prefix != LDM_PREFIX or not is_supported(unet):
        return None
    fields = {"prediction": _prediction(header, family), "side": _side(header.metadata)}
    return {name: value for name, value in fields.items() if value is not None}


def is_supported(unet: UNetKeys) -> bool:
    """Whether it paints from a prompt, or inside a mask; no refiner, and no net for source images or depth maps."""
    return unet.in_channels in (PLAIN_CHANNELS, INPAINTING_CHANNELS) and unet.context_width != REFINER_WIDTH


def _prediction(header: SafetensorsHeader, family: str) -> str | None:
    """What the UNet predicts, where the file tells: the keys `v_pred` of SDXL files, else the metadata."""
    if "v_pred" in header.tensors:
        return "v_prediction"
    by_name = {"v": "v_prediction", "v_prediction": "v_prediction", "epsilon": "epsilon"}
    text = header.metadata.get("modelspec.prediction_type", header.metadata.get("modelspec.predict_key", ""))
    if text in by_name:
        return by_name[text]
    architecture = header.metadata.get("modelspec.architecture", "")
    if family == "sd2" and architecture.startswith("stable-diffusion-v2"):
        return "v_prediction" if "768-v" in architecture else "epsilon"
    return None


def _side(metadata: Mapping[str, str]) -> int | None:
    match = _RESOLUTION.fullmatch(metadata.get("modelspec.resolution", ""))
    side = int(match[1]) if match else 0
    return side if side % 8 == 0 and 64 <= side <= 2048 else None
