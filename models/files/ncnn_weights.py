"""Where the weights of an ncnn net stand in its `NAME.bin`, which has no header: the layers tell their order and sizes.

Torch-free. Weights of convolutions begin with a tag of four bytes that tells their type, and are padded to four bytes.
Biases and slopes are fp32 without a tag. All is little-endian.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from models.files.ncnn_param import MAGIC, NcnnError, NcnnLayer, read_param, weights_file
from models.files.ncnn_upscaler import CONVOLUTION, PRELU, NcnnUpscaler, recognise
from models.plain_files import open_plain

TAGS = {0: "F32", 0x01306B47: "F16"}
INT8 = 0x000D4B38
BYTES = {"F32": 4, "F16": 2}
_TAG = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class StoredTensor:
    key: str
    shape: tuple[int, ...]
    dtype: str
    """`F32` or `F16`."""
    offset: int
    """Its first byte in the file."""


@dataclass(frozen=True, slots=True)
class NcnnNet:
    """Both halves of a pair, which fit each other."""

    upscaler: NcnnUpscaler
    tensors: tuple[StoredTensor, ...]


def read_net_header(param: Path) -> NcnnNet:
    """What a pair is, without its weights. Raises NcnnError, also if a half is missing or torn. Raises OSError."""
    layers = read_param(param)
    upscaler = recognise(param, layers)
    weights = weights_file(param)
    if not weights.is_file():
        raise NcnnError(f"{param.name} is half of an ncnn model: {weights.name} is missing; put it beside it")
    weighted = [layer for layer in layers if layer.type in (CONVOLUTION, PRELU)]
    with open_plain(weights) as opened:
        size = opened.seek(0, 2)
        tensors = tuple(_locate(opened, size, weighted, upscaler.keys, weights.name))
        end = _end_of(tensors[-1])
    if size != end:
        raise NcnnError(f"{weights.name} has {size} bytes, but {param.name} says {end}; copy both files again")
    return NcnnNet(upscaler, tensors)


def is_ncnn_weights(file: Path) -> bool:
    """Whether a `.bin` file begins as those of ncnn do; the tag of fp32 is four zeros. Raises OSError."""
    with open_plain(file) as opened:
        start = opened.read(_TAG.size)
    return len(start) == _TAG.size and _TAG.unpack(start)[0] in {*TAGS, INT8, int(MAGIC)}


def _locate(
    opened: BinaryIO, size: int, layers: Sequence[NcnnLayer], keys: Sequence[str], name: str
) -> Iterator[StoredTensor]:
    offset = 0
    for layer, key in zip(layers, keys, strict=True):
        outputs = int(layer.number(0))
        if layer.type != CONVOLUTION:
            yield (slopes := StoredTensor(f"{key}.weight", (outputs,), "F32", offset))
            offset = _end_of(slopes)
            continue
        if offset + _TAG.size > size:  # also if a damaged text says more bytes than a file can have
            raise NcnnError(f"{name} ends before its weight {key}; copy it again")
        weight = _weight(opened, layer, key, offset, name)
        bias = StoredTensor(f"{key}.bias", (outputs,), "F32", _end_of(weight))
        yield from (weight, bias)
        offset = _end_of(bias)


def _weight(opened: BinaryIO, layer: NcnnLayer, key: str, offset: int, name: str) -> StoredTensor:
    opened.seek(offset)
    (tag,) = _TAG.unpack(opened.read(_TAG.size))
    if tag not in TAGS:
        quantised = "int8 weights" if tag == INT8 else f"weights that are quantised, or of another net (tag {tag:#x})"
        raise NcnnError(f"{name} has {quantised}, which are not supported; get the net in fp16 or fp32")
    outputs, kernel = int(layer.number(0)), int(layer.number(1))
    inputs, rest = divmod(int(layer.number(6)), max(outputs, 1) * kernel * kernel)
    if inputs < 1 or rest:
        raise NcnnError(f"the text of {name} is damaged: the weight {key} has no whole number of inputs; copy it again")
    return StoredTensor(f"{key}.weight", (outputs, inputs, kernel, kernel), TAGS[tag], offset + _TAG.size)


def _end_of(tensor: StoredTensor) -> int:
    return tensor.offset + -(-math.prod(tensor.shape) * BYTES[tensor.dtype] // 4) * 4
