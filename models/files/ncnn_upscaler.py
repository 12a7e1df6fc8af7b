"""Which upscaler an ncnn net is: its architecture and scale, and how its authors name the weights.

Torch-free. Layers have numbers for names, so they are known by their order. What the order does not tell is checked:
the kinds of layers, how many there are of each, and the parameters that are fixed in the nets of spandrel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import Path

from models.files.ncnn_param import NcnnError, NcnnLayer

CONVOLUTION, PRELU = "Convolution", "PReLU"
NEAREST, BICUBIC = 1, 3
"""Kinds of `Interp`."""
ADD, MULTIPLY = 0, 2
"""Kinds of `BinaryOp`."""
LEAKY = 2
"""The kind of activation at the end of a `Convolution`."""
SLOPE = RESIDUAL = 0.2
"""Of the leaky ReLUs and the residual branches of RRDB nets."""
CONVOLUTIONS_OF_BLOCK, CONCATS_OF_BLOCK, SUMS_OF_BLOCK = 15, 12, 4
"""Of one residual-in-residual dense block: three dense blocks of five convolutions."""
CONVOLUTIONS_OUTSIDE = 4
"""The first, the one behind the blocks, and two behind those that enlarge."""

_Checks = Mapping[str, Callable[[NcnnLayer], bool]]
"""What a layer must be, by its type; layers of other types are refused."""
_PLAIN: _Checks = {kind: lambda layer: True for kind in ("Input", "Split", "Noop")}


@dataclass(frozen=True, slots=True)
class NcnnUpscaler:
    architecture: str
    """In words: `RRDB, 23 blocks`."""
    scale: int
    """How many times larger the result is."""
    net_scale: int
    """How many times larger the net itself makes it. Some nets for ×2 and ×3 shrink the result of one for ×4."""
    keys: tuple[str, ...]
    """The name of each layer that has weights, in the order of the file."""


def recognise(file: Path, layers: Sequence[NcnnLayer]) -> NcnnUpscaler:
    """Raises NcnnError for any other net, and for one that does not enlarge."""
    if any(layer.type == CONVOLUTION and layer.number(8) for layer in layers):
        raise NcnnError(f"{file.name} is an int8 net, which is not supported; get the net in fp16 or fp32")
    upscaler = _as_compact(layers) if any(layer.type == PRELU for layer in layers) else _as_rrdb(layers)
    if upscaler is None:
        counts = Counter(layer.type for layer in layers).most_common(4)
        kinds = ", ".join(f"{count} {kind[:40]}" for kind, count in counts) or "none"
        raise NcnnError(
            f"{file.name} is an ncnn net of an architecture that is not known here (its layers: {kinds}); known are "
            "the upscalers of Real-ESRGAN (RRDB and compact)"
        )
    if upscaler.scale < 2:
        raise NcnnError(f"{file.name} is a net that does not enlarge, which is not supported; give an upscaler")
    return upscaler


def _as_rrdb(layers: Sequence[NcnnLayer]) -> NcnnUpscaler | None:
    """Wang et al., "ESRGAN", 2018: dense blocks, then steps of ×2."""
    counts = Counter(layer.type for layer in layers)
    steps = counts["Interp"]
    blocks, rest = divmod(counts[CONVOLUTION] - CONVOLUTIONS_OUTSIDE - steps, CONVOLUTIONS_OF_BLOCK)
    checks: _Checks = {
        **_PLAIN,
        CONVOLUTION: lambda layer: _is_3x3(layer) and (layer.number(9) == 0 or _is_leaky(layer)),
        "ReLU": _is_leaky,
        "Concat": lambda layer: layer.number(0) == 0,
        "Interp": lambda layer: _factor(layer, NEAREST) == 2,
        "Eltwise": lambda layer: _is_sum(layer) and (_is_plain(layer) or _scales_residual(layer)),
        "BinaryOp": lambda layer: _is_sum(layer) or _scales_residual(layer),
    }
    activated, scaled = sum(map(_is_leaky, layers)), sum(map(_scales_residual, layers))
    if (
        blocks < 1
        or rest
        or not _fit(layers, checks)
        or counts["Concat"] != CONCATS_OF_BLOCK * blocks
        or sum(map(_is_sum, layers)) != SUMS_OF_BLOCK * blocks + 1
        or scaled != SUMS_OF_BLOCK * blocks
        or activated != CONCATS_OF_BLOCK * blocks + steps + 1
    ):
        return None
    dense = (f"body.{i}.rdb{j}.conv{k}" for i in range(blocks) for j in (1, 2, 3) for k in (1, 2, 3, 4, 5))
    enlarging = (f"conv_up{step}" for step in range(1, steps + 1))
    keys = ("conv_first", *dense, "conv_body", *enlarging, "conv_hr", "conv_last")
    return NcnnUpscaler(f"RRDB, {blocks} block{'s' * (blocks > 1)}", 2**steps, 2**steps, keys)


def _as_compact(layers: Sequence[NcnnLayer]) -> NcnnUpscaler | None:
    """The small nets of Real-ESRGAN (SRVGG): convolutions, then a pixel shuffle, added to the image itself."""
    counts = Counter(layer.type for layer in layers)
    scale = next((int(layer.number(0)) for layer in layers if layer.type == "PixelShuffle"), 0)
    resized = [layer for layer in layers if layer.type == "Interp"]
    shrunk = _factor(resized[-1], BICUBIC) if len(resized) == 2 and layers[-1] is resized[-1] else None
    checks: _Checks = {
        **_PLAIN,
        CONVOLUTION: lambda layer: _is_3x3(layer) and layer.number(9) == 0,
        PRELU: lambda layer: layer.number(0) >= 1,
        "PixelShuffle": lambda layer: layer.number(1) == 0,
        "Interp": lambda layer: _factor(layer, NEAREST) == scale or layer is resized[-1],
        "Eltwise": lambda layer: _is_sum(layer) and _is_plain(layer),
        "BinaryOp": _is_sum,
    }
    final = scale * (1.0 if shrunk is None else shrunk)
    if (
        counts[CONVOLUTION] != counts[PRELU] + 1
        or counts["PixelShuffle"] != 1
        or not _fit(layers, checks)
        or len(resized) != (1 if shrunk is None else 2)
        or sum(map(_is_sum, layers)) != 1
        or not final.is_integer()
    ):
        return None
    keys = tuple(f"body.{index}" for index in range(counts[CONVOLUTION] + counts[PRELU]))
    return NcnnUpscaler(f"compact, {counts[CONVOLUTION]} convolutions", int(final), scale, keys)


def _fit(layers: Sequence[NcnnLayer], checks: _Checks) -> bool:
    return all(layer.type in checks and checks[layer.type](layer) for layer in layers)


def _is_3x3(layer: NcnnLayer) -> bool:
    """Whether it keeps the size of the image, and has a bias."""
    stride, dilation, padding = layer.number(3, 1), layer.number(2, 1), layer.number(4)
    square = (layer.number(1), layer.number(11, 3)) == (3, 3) and layer.number(0) >= 1
    return square and (stride, dilation, padding, layer.number(5)) == (1, 1, 1, 1)


def _is_leaky(layer: NcnnLayer) -> bool:
    """Whether it is, or ends with, the leaky ReLU of these nets."""
    if layer.type == CONVOLUTION:
        return layer.number(9) == LEAKY and isclose(layer.number(10), SLOPE)
    return layer.type == "ReLU" and isclose(layer.number(0), SLOPE)


def _is_sum(layer: NcnnLayer) -> bool:
    """Whether it adds two images, each perhaps scaled."""
    if layer.type == "BinaryOp":
        return layer.number(0) == ADD and layer.number(1) == 0 and layer.inputs == 2
    return layer.type == "Eltwise" and layer.number(0) == 1 and layer.inputs == 2


def _is_plain(layer: NcnnLayer) -> bool:
    return all(scale == 1 for scale in layer.values.get(1, ()))


def _scales_residual(layer: NcnnLayer) -> bool:
    """Whether it scales a branch, alone or as the first image of a sum."""
    if layer.type == "BinaryOp":
        return layer.number(0) == MULTIPLY and layer.number(1) == 1 and isclose(layer.number(2), RESIDUAL)
    scales = layer.values.get(1, ())
    return layer.type == "Eltwise" and len(scales) == 2 and isclose(scales[0], RESIDUAL) and scales[1] == 1


def _factor(layer: NcnnLayer, kind: int) -> float | None:
    """How much larger an `Interp` of this kind makes both sides; None for any other."""
    height, width = layer.number(1, 1), layer.number(2, 1)
    return height if layer.number(0) == kind and height == width and not layer.number(6) else None
