"""Writes small nets in ncnn's form, as ncnn's own converters write them."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

FP16 = 0x01306B47
INT8 = 0x000D4B38
Weights = Mapping[str, np.ndarray]
"""By the names of spandrel's nets."""


@dataclass(slots=True)
class _Graph:
    weights: Weights
    half: bool
    lines: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)
    """Type, names of the inputs, and parameters of each layer; its output has its number for a name."""
    content: bytearray = field(default_factory=bytearray)

    def add(self, kind: str, *inputs: str, parameters: str = "") -> str:
        self.lines.append((kind, inputs, parameters))
        return str(len(self.lines) - 1)

    def convolve(self, source: str, key: str, activation: str = "") -> str:
        weight, bias = self.weights[f"{key}.weight"], self.weights[f"{key}.bias"]
        values = weight.astype("<f2" if self.half else "<f4").tobytes()
        self.content += struct.pack("<I", FP16 if self.half else 0) + values + bytes(-len(values) % 4)
        self.content += bias.astype("<f4").tobytes()
        parameters = f"0={len(bias)} 1=3 4=1 5=1 6={weight.size}{activation}"
        return self.add("Convolution", source, parameters=parameters)

    def write(self, param: Path) -> Path:
        """ncnn wants a layer `Split` where several layers read one blob."""
        readers = Counter(name for _, inputs, _ in self.lines for name in inputs)
        count, texts, used = 0, [], Counter[str]()
        for number, (kind, inputs, parameters) in enumerate(self.lines):
            names = []
            for name in inputs:
                names.append(f"{name}_{used[name]}" if readers[name] > 1 else name)
                used[name] += 1
            output = {0: "data", len(self.lines) - 1: "output"}.get(number, str(number))
            names = ["data" if name == "0" else name for name in names]
            texts.append(f"{kind} layer{number} {len(names)} 1 {' '.join(names)} {output} {parameters}")
            if (splits := readers[str(number)]) > 1:
                outputs = " ".join(f"{number}_{index}" for index in range(splits))
                texts.append(f"Split split{number} 1 {splits} {output} {outputs}")
            count += max(splits + 1, 1)
        param.parent.mkdir(parents=True, exist_ok=True)
        param.write_text("\n".join(["7767517", f"{len(texts)} {count}", *texts]) + "\n")
        param.with_suffix(".bin").write_bytes(self.content)
        return param


def write_rrdb(param: Path, weights: Weights, *, half: bool = True, fused: bool = True) -> Path:
    """A net of RRDB blocks, for each `conv_up` one step of ×2. `fused`: as after ncnnoptimize; else each activation and
    each scaling of a residual is a layer of its own."""
    graph = _Graph(weights, half)

    def leaky(source: str, key: str) -> str:
        if fused:
            return graph.convolve(source, key, " 9=2 -23310=1,2.000000e-01")
        return graph.add("ReLU", graph.convolve(source, key), parameters="0=2.000000e-01")

    def add_scaled(branch: str, source: str) -> str:
        if fused:
            return graph.add("Eltwise", branch, source, parameters="0=1 -23301=2,2.000000e-01,1.000000e+00")
        scaled = graph.add("BinaryOp", branch, parameters="0=2 1=1 2=2.000000e-01")
        return graph.add("BinaryOp", scaled, source, parameters="0=0")

    first = last = graph.convolve(graph.add("Input"), "conv_first")
    for block in range(sum(".rdb1.conv1.weight" in key for key in weights)):
        begin = last
        for dense in (1, 2, 3):
            parts = [last]
            for number in (1, 2, 3, 4):
                source = graph.add("Concat", *parts) if number > 1 else last
                parts.append(leaky(source, f"body.{block}.rdb{dense}.conv{number}"))
            branch = graph.convolve(graph.add("Concat", *parts), f"body.{block}.rdb{dense}.conv5")
            last = add_scaled(branch, last)
        last = add_scaled(last, begin)
    last = graph.add("BinaryOp", first, graph.convolve(last, "conv_body"))
    for step in range(1, 1 + sum(key.startswith("conv_up") and key.endswith("weight") for key in weights)):
        last = leaky(graph.add("Interp", last, parameters="0=1 1=2.000000e+00 2=2.000000e+00"), f"conv_up{step}")
    graph.convolve(leaky(last, "conv_hr"), "conv_last")
    return graph.write(param)


def write_compact(param: Path, weights: Weights, *, scale: int = 4, half: bool = True, shrunk: float = 1) -> Path:
    """A net of plain convolutions that enlarges `scale` times. `shrunk`: shrinks the result by this factor."""
    graph = _Graph(weights, half)
    image = last = graph.add("Input")
    count = len({key.split(".")[1] for key in weights})
    for number in range(0, count, 2):
        last = graph.convolve(last, f"body.{number}")
        if number + 1 < count:
            slopes = weights[f"body.{number + 1}.weight"]
            graph.content += slopes.astype("<f4").tobytes()
            last = graph.add("PReLU", last, parameters=f"0={len(slopes)}")
    last = graph.add("PixelShuffle", last, parameters=f"0={scale}")
    base = graph.add("Interp", image, parameters=f"0=1 1={scale:e} 2={scale:e}")
    last = graph.add("BinaryOp", last, base, parameters="0=0")
    if shrunk != 1:
        graph.add("Interp", last, parameters=f"0=3 1={shrunk:e} 2={shrunk:e}")
    return graph.write(param)


def rrdb_weights(blocks: int = 1, steps: int = 2, filters: int = 4, growth: int = 32) -> dict[str, np.ndarray]:
    """Random weights with the names of Real-ESRGAN's authors; spandrel's nets all grow by 32."""
    sizes = {"conv_first": (3, filters)}
    for block in range(blocks):
        for dense in (1, 2, 3):
            for number in range(5):
                outputs = growth if number < 4 else filters
                sizes[f"body.{block}.rdb{dense}.conv{number + 1}"] = (filters + number * growth, outputs)
    sizes["conv_body"] = (filters, filters)
    sizes |= {f"conv_up{step}": (filters, filters) for step in range(1, steps + 1)}
    return _random(sizes | {"conv_hr": (filters, filters), "conv_last": (filters, 3)})


def compact_weights(convolutions: int = 3, scale: int = 4, filters: int = 4) -> dict[str, np.ndarray]:
    ends = [3, *[filters] * (convolutions - 1), 3 * scale**2]
    sizes = {f"body.{2 * index}": (ends[index], ends[index + 1]) for index in range(convolutions)}
    slopes = {f"body.{2 * index + 1}.weight": np.full(filters, 0.25 / (index + 1)) for index in range(convolutions - 1)}
    return _random(sizes) | slopes


def _random(sizes: Mapping[str, tuple[int, int]]) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    weights: dict[str, np.ndarray] = {}
    for key, (inputs, outputs) in sizes.items():
        weights[f"{key}.weight"] = generator.normal(0, 0.5 / np.sqrt(inputs), (outputs, inputs, 3, 3))
        weights[f"{key}.bias"] = generator.normal(0, 0.1, outputs)
    return weights


def edit(param: Path, change: Callable[[str], str]) -> Path:
    """Changes the text of a net."""
    param.write_text(change(param.read_text()))
    return param
