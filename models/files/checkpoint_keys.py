"""What the header of a single-file checkpoint tells about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from models.files.safetensors_header import SafetensorsHeader
from models.files.unet_keys import LDM_PREFIX, UNetKeys, find_unet
from models.files.vae_keys import find_vae

INPAINTING_CHANNELS, PLAIN_CHANNELS = 9, 4
REFINER_WIDTH = 1280
TEXT_ENCODERS = "text_encoder", "text_encoder_2"
_SINGLE, _DOUBLE = "cond_stage_model.", "conditioner.embedders."
"""How the names of the only text encoder begin (SD 1 and 2), and those of one of several (SDXL)."""
OPEN_CLIP = "transformer.resblocks."
"""How the names of the layers of OpenCLIP begin."""
_RESOLUTION = re.compile(r"(\d{2,4})x(\d{2,4})")


def checkpoint_fields(header: SafetensorsHeader, family: str) -> Mapping[str, Any] | None:
    """The fields of a `models.yaml` entry for a checkpoint of this family; None if the file is none."""
    unet = find_unet(header)
    if unet is None or unet.family != family or not is_supported(unet):
        return None
    if unet.prefix != LDM_PREFIX and not unet.whole:
        return None
    fields = {"prediction": _prediction(header, family), "side": _side(header.metadata)}
    return {name: value for name, value in fields.items() if value is not None}


def is_supported(unet: UNetKeys) -> bool:
    """Whether it paints from a prompt, or inside a mask; no refiner, and no net for source images or depth maps."""
    return unet.in_channels in (PLAIN_CHANNELS, INPAINTING_CHANNELS) and unet.context_width != REFINER_WIDTH


def text_encoder_prefix(names: Iterable[str], index: int) -> str | None:
    """How the names of a text encoder begin, counted from 0; None if the file lacks it."""
    prefixes = (f"{_DOUBLE}{index}.", *([_SINGLE] if index == 0 else []))
    return next((prefix for name in names for prefix in prefixes if name.startswith(prefix)), None)


def missing_parts(header: SafetensorsHeader, family: str) -> tuple[str, ...]:
    """The fields of an entry that name the parts which this file lacks."""
    count = len(TEXT_ENCODERS) if family == "sdxl" else 1
    missing = [
        part for index, part in enumerate(TEXT_ENCODERS[:count]) if text_encoder_prefix(header.tensors, index) is None
    ]
    return (*missing, *(() if find_vae(header) else ("vae",)))


def is_text_encoder(header: SafetensorsHeader) -> bool:
    """Whether the file is a CLIP text encoder alone, as transformers or OpenCLIP name its weights."""
    return any(part in header.key_lines for part in ("text_model.encoder.layers.", f"\n{OPEN_CLIP}"))


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
