"""A net's forward pass as data: the net's class and configuration, and the layout of its weights and inputs.

That is enough for another process to trace it. It holds shapes, dtypes and strides, never numbers, so code compiled of
it works for all weights of that layout.
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
"""The inputs of a pass by name: `latents`, `timesteps`, `embeds`, `hints`, and numbered or named parts of `extras`,
`known` (cached keys and values) and `residuals`, such as `known.0`. The names are part of packages' digests."""
Outputs: TypeAlias = tuple[Tensor, ...]
PassRunner: TypeAlias = Callable[[nn.Module, PassInputs, Callable[[], Outputs]], Outputs]
"""Runs a pass, for instance as compiled code. It gets the net, its inputs, and a function that runs the net itself."""
TensorLayout: TypeAlias = tuple[str, tuple[int, ...], tuple[int, ...], str]
"""Name, shape, strides and dtype of a tensor."""


@dataclass(frozen=True)
class ForwardPassSpec:
    """One forward pass. Compiled code works only for the pass that it was compiled of."""

    net: str
    """Name of the net's class in diffusers."""
    diffusers: str
    """Version of diffusers."""
    config: dict[str, Any]
    """The net's configuration."""
    weights: tuple[TensorLayout, ...]
    given: tuple[TensorLayout, ...]
    """Layouts of the inputs. The field's name is part of packages' digests."""
    device: str
    build_target: str
    """The hardware and the version of torch, see `build_target`."""

    @classmethod
    def of(cls, net: nn.Module, inputs: PassInputs) -> ForwardPassSpec:
        weights = weights_of(net)
        device = next(iter(weights.values())).device
        net_config: Any = net.config
        config = {name: value for name, value in dict(net_config).items() if not name.startswith("_")}
        return cls(
            type(net).__name__,
            diffusers.__version__,
            config,
            _layouts(weights),
            _layouts(inputs),
            str(device),
            build_target(device),
        )

    @classmethod
    def from_json(cls, text: str) -> ForwardPassSpec:
        fields = json.loads(text)
        for part in ("weights", "given"):
            layouts = fields[part]
            fields[part] = tuple((name, tuple(shape), tuple(strides), dtype) for name, shape, strides, dtype in layouts)
        return cls(**fields)

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @cached_property
    def digest(self) -> str:
        """Of all fields and of the compiler's options. Of the device only its type: devices of one kind share code."""
        fields = {**asdict(self), "device": torch.device(self.device).type, "options": OPTIONS}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()

    @cached_property
    def name(self) -> str:
        """For people, and for a file: `unet-2x64x64-sm75-torch2.15.0-0123456789abcdef`."""
        shapes = {name: shape for name, shape, *_ in self.given}
        rows, _, height, width = shapes["latents"]
        kind = "controlnet" if "hints" in shapes else "unet"
        return f"{kind}-{rows}x{height}x{width}-{self.build_target}-{self.digest[:16]}"


def flatten_inputs(**parts: Tensor | Sequence[Tensor] | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inputs by name; items of a sequence or mapping are named `PART.KEY`."""
    flat: dict[str, Tensor] = {}
    for part, value in parts.items():
        if isinstance(value, Tensor):
            flat[part] = value
        else:
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            flat |= {f"{part}.{key}": tensor for key, tensor in items}
    return flat


def run_net(net: Callable[..., Any], inputs: PassInputs) -> Outputs:
    """Runs the net itself. A denoiser returns its output, a ControlNet its residuals, that of the middle block last."""
    extras = {name.removeprefix("extras."): tensor for name, tensor in inputs.items() if name.startswith("extras.")}
    common: dict[str, Any] = {"added_cond_kwargs": extras, "return_dict": False}
    positional = inputs["latents"], inputs["timesteps"], inputs["embeds"]
    if "hints" in inputs:
        down, middle = net(*positional, controlnet_cond=inputs["hints"], **common)
        return (*down, middle)
    if residuals := numbered_parts(inputs, "residuals"):
        common["down_block_additional_residuals"] = residuals[:-1]
        common["mid_block_additional_residual"] = residuals[-1]
    return tuple(net(*positional, **common))


def numbered_parts(inputs: PassInputs, part: str) -> Outputs:
    """The numbered inputs of this part, in their order."""
    return tuple(tensor for name, tensor in inputs.items() if name.startswith(f"{part}."))


@cache
def build_target(device: torch.device) -> str:
    """What code is compiled for (the hardware) and by (torch), as part of a file's name."""
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        target = f"sm{major}{minor}"
    else:
        target = f"{platform.machine()}-{_cpu_features()}"
    return f"{target}-torch{torch.__version__}"


def _cpu_features() -> str:
    """A digest of the processor's instruction sets, for code is compiled for exactly these."""
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
