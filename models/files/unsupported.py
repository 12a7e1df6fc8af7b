"""Names what a file is, where Hua cannot use it: a message helps more than "unknown"."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from models.files.checkpoint_keys import REFINER_WIDTH
from models.files.lora_keys import factor_keys, is_for_other_family
from models.files.safetensors_header import SafetensorsHeader
from models.files.unet_keys import find_unet
from models.files.vae_keys import find_vae

EDIT_CHANNELS, DEPTH_CHANNELS = 8, 5
_Test = Callable[[SafetensorsHeader], bool]


def _has(*parts: str) -> _Test:
    return lambda header: any(part in header.key_lines for part in parts)


def _has_channels(channels: int) -> _Test:
    return lambda header: (unet := find_unet(header)) is not None and unet.in_channels == channels


def _is_refiner(header: SafetensorsHeader) -> bool:
    unet = find_unet(header)
    return unet is not None and unet.context_width == REFINER_WIDTH


KINDS: tuple[tuple[str, _Test], ...] = (
    ("a Control-LoRA", _has("lora_controlnet")),
    ("a union ControlNet", _has("task_embedding", "control_add_embedding")),
    ("a T2I-Adapter", _has("adapter.body.", "body.0.resnets.")),
    ("a LoRA for another family than Stable Diffusion 1, 2 and XL", is_for_other_family),
    ("a LoRA for other nets than those of Stable Diffusion", lambda header: any(factor_keys(header))),
    ("a model of the Flux family", _has("double_blocks.")),
    ("a Stable Diffusion 3 model", _has("joint_blocks.")),
    ("an edit model (InstructPix2Pix)", _has_channels(EDIT_CHANNELS)),
    ("a depth-to-image model of Stable Diffusion 2", _has_channels(DEPTH_CHANNELS)),
    ("the refiner of SDXL", _is_refiner),
    ("a part of a UNet", lambda header: find_unet(header) is not None),
    ("a motion module", _has("motion_modules.")),
    ("a VAE for another family than Stable Diffusion 1, 2 and XL", lambda header: find_vae(header) is not None),
)
"""The first that fits names the file."""


def unsupported_message(path: Path, header: SafetensorsHeader) -> str:
    for name, test in KINDS:
        if test(header):
            return f"{path.name} is {name}, which is not supported; move it out of the models folder"
    keys = ", ".join(list(header.tensors)[:2]) or "none"
    return (
        f"{path.name} is no model that is known here (its first keys: {keys}); "
        "say its family in models.yaml if you know it"
    )
