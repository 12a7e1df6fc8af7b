"""The cost and gain of compiling a denoiser ahead, on this CPU: a toy's step without and with its package.

    python -m benchmarks.compiled [toy-sd1|narrow-sd1] [FOLDER]

lets the engine's child process compile one guided pass (`narrow-sd1` is the topology of SD 1.5 at a tenth of its
width), loads the package, and then runs the plain and the compiled pass alternately. Times are CPU times, so that other
processes on the machine hardly change them. The results do not apply to CUDA.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from typing import Any

import diffusers
import torch
from diffusers import UNet2DConditionModel

from models.compiled.forward_pass import ForwardPassSpec, PassInputs, flatten_inputs, run_net
from models.compiled.package import Package
from models.patches.cross_attention_cache import cached_cross_attention, keys_and_values, text_layers
from models.toy.nets import TOYS, unet
from models.weights import CONFIGS
from pipelines.engine.execution.compile_process import Compiler

REPEATS = 30
WARM_UPS = 3


def toy() -> tuple[UNet2DConditionModel, int]:
    """The default toy's denoiser, and the size of its latents."""
    return unet(TOYS[0]), 16


def narrow() -> tuple[UNet2DConditionModel, int]:
    """A narrow denoiser with the topology of SD 1.5, and the size of its latents."""
    config: dict[str, Any] = json.loads((CONFIGS / "sd1" / "unet" / "config.json").read_text())
    return UNet2DConditionModel.from_config({**config, "block_out_channels": (32, 64, 128, 128)}), 32


NETS: dict[str, Callable[[], tuple[UNet2DConditionModel, int]]] = {"toy-sd1": toy, "narrow-sd1": narrow}


def inputs_of(net: UNet2DConditionModel, size: int) -> PassInputs:
    """The inputs for the two rows of a guided image."""
    embeds = torch.randn(2, 77, net.config.cross_attention_dim)
    common = {"latents": torch.randn(2, 4, size, size), "timesteps": torch.tensor([981.0, 981.0]), "embeds": embeds}
    return flatten_inputs(**common, known=keys_and_values(text_layers(net), embeds))


def seconds(body: Callable[[], object]) -> float:
    began = time.process_time()
    body()
    return time.process_time() - began


def compile_package(folder: Path, spec: ForwardPassSpec) -> tuple[Path, float]:
    """The package, and the CPU seconds of the child and its compilers."""
    compiler = Compiler(folder)
    before = os.times()
    compiler.enqueue(spec)
    list(compiler.finish())
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return compiler.package(spec), spent


@torch.inference_mode()
def measure(name: str, folder: Path) -> None:
    torch.manual_seed(0)
    net, size = NETS[name]()
    net.eval().requires_grad_(False)
    inputs = inputs_of(net, size)
    spec = ForwardPassSpec.of(net, inputs)
    file, compile_s = compile_package(folder, spec)
    packages: list[Package] = []
    load_s = seconds(lambda: packages.append(Package(file, spec)))
    [package] = packages
    cached_kv = [tensor for part, tensor in inputs.items() if part.startswith("known.")]
    with cached_cross_attention(text_layers(net), cached_kv):
        expected, result = run_net(net, inputs)[0], package(net, inputs)[0]
        times = [
            (seconds(lambda: run_net(net, inputs)), seconds(lambda: package(net, inputs)))
            for _ in range(WARM_UPS + REPEATS)
        ]
    plain_ms, package_ms = (1000 * median(column) for column in zip(*times[WARM_UPS:], strict=True))
    error = float((result - expected).norm() / expected.norm())
    cells = [f"{compile_s:.0f} s", f"{file.stat().st_size / 2**20:.1f} MiB", f"{load_s:.2f} s"]
    cells += [f"{plain_ms:.1f} ms", f"{package_ms:.1f} ms", f"{plain_ms / package_ms:.2f}", f"{error:.0e}"]
    print(f"| {name}, 2×4×{size}×{size} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    names = [argument for argument in sys.argv[1:] if argument in NETS] or list(NETS)
    folders = [argument for argument in sys.argv[1:] if argument not in NETS]
    print(f"torch {torch.__version__}, diffusers {diffusers.__version__}; float32, one thread, processor time")
    print("| pass | compile | package | load | plain | by package | ratio | difference |")
    print("|---|---|---|---|---|---|---|---|")
    with nullcontext(folders[0]) if folders else tempfile.TemporaryDirectory() as folder:
        for name in names:
            measure(name, Path(folder))
