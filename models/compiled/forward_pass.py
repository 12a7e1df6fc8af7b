"""A net's forward pass as data: which net, over weights that lie how, given what: enough for others to trace it.

Only shapes, types and strides are in it, never numbers: code made of a pass serves whatever weights lie that way.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeAlias

import diffusers
import torch
from torch import Tensor, nn

from models.compiled.options import OPTIONS
from models.compiled.static_weights import weights_of

PassInputs: TypeAlias = Mapping[str, Tensor]
"""What a net is given in a pass, by name: `latents`, `timesteps`, `embeds`, `hints`, and numbered or named parts of
`extras`, `known` and `residuals`, such as `known.0`."""
Outputs: TypeAlias = tuple[Tensor, ...]
PassRunner: TypeAlias = Callable[[nn.Module, PassInputs, Callable[[], Outputs]], Outputs]
"""Who runs a pass that nothing else touches: told the net, what it is given, and how to run it as it is."""
TensorLayout: TypeAlias = tuple[str, tuple[int, ...], tuple[int, ...], str]
"""Name, shape, strides and type of a tensor."""


@dataclass(frozen=True)
class ForwardPassSpec:
    """`net` is a class of diffusers, of that version; `build_target` is what the code is made by and for: it serves no
    other."""

    net: str
    diffusers: str
    config: dict[str, Any]
    weights: tuple[TensorLayout, ...]
    given: tuple[TensorLayout, ...]
    device: str
    build_target: str

    @classmethod
    def of(cls, net: nn.Module, given: PassInputs) -> ForwardPassSpec:
        weights = weights_of(net)
        device = next(iter(weights.values())).device
        said: Any = net.config
        config = {name: value for name, value in dict(said).items() if not name.startswith("_")}
        made = type(net).__name__, diffusers.__version__, config
        return cls(*made, _layouts(weights), _layouts(given), str(device), build_target(device))

    @classmethod
    def from_json(cls, text: str) -> ForwardPassSpec:
        said = json.loads(text)
        lies = {part: tuple((name, tuple(a), tuple(b), kind) for name, a, b, kind in said[part]) for part in _LISTED}
        return cls(**{**said, **lies})

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @cached_property
    def digest(self) -> str:
        """Of all but the number of the device, for its likes can share what was made; and of how it is made."""
        said = {**asdict(self), "device": torch.device(self.device).type, "options": OPTIONS}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    @cached_property
    def name(self) -> str:
        """For people, and for a file: `unet-2x64x64-sm75-torch2.15.0-0123456789abcdef`."""
        shapes = {name: shape for name, shape, *_ in self.given}
        rows, _, height, width = shapes["latents"]
        kind = "controlnet" if "hints" in shapes else "unet"
        return f"{kind}-{rows}x{height}x{width}-{self.build_target}-{self.digest[:16]}"


def flatten_inputs(**parts: Tensor | Sequence[Tensor] | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a net is given, flat."""
    flat: dict[str, Tensor] = {}
    for part, value in parts.items():
        if isinstance(value, Tensor):
            flat[part] = value
        else:
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            flat |= {f"{part}.{key}": tensor for key, tensor in items}
    return flat


def run_net(net: Callable[..., Any], given: PassInputs) -> Outputs:
    """The pass as it is. A denoiser answers its output, a ControlNet what is to be added to one, the middle last."""
    extras = {name.removeprefix("extras."): tensor for name, tensor in given.items() if name.startswith("extras.")}
    common: dict[str, Any] = {"added_cond_kwargs": extras, "return_dict": False}
    seen = given["latents"], given["timesteps"], given["embeds"]
    if "hints" in given:
        down, middle = net(*seen, controlnet_cond=given["hints"], **common)
        return (*down, middle)
    if added := numbered_parts(given, "residuals"):
        common |= {"down_block_additional_residuals": added[:-1], "mid_block_additional_residual": added[-1]}
    return tuple(net(*seen, **common))


def numbered_parts(given: PassInputs, part: str) -> Outputs:
    """The numbered parts of this name, in their order."""
    return tuple(tensor for name, tensor in given.items() if name.startswith(f"{part}."))


@cache
def build_target(device: torch.device) -> str:
    """What code is compiled by and for, as part of a file's name."""
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        target = f"sm{major}{minor}"
    else:
        target = f"{platform.machine()}-{_features()}"
    return f"{target}-torch{torch.__version__}"


def _features() -> str:
    """A digest of what this processor can do, for code is made for just that."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
    return hashlib.sha256(" ".join(sorted(flags.split())).encode()).hexdigest()[:8]


def _layouts(tensors: Mapping[str, Tensor]) -> tuple[TensorLayout, ...]:
    return tuple(
        (name, tuple(each.shape), tuple(each.stride()), str(each.dtype).removeprefix("torch."))
        for name, each in tensors.items()
    )


_LISTED = ("weights", "given")
