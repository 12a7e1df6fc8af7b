"""What compiling a denoiser ahead takes on this processor, and what it gives: a toy's step as it is and by its package.

    python -m benchmarks.compiled [toy-sd1|narrow-sd1] [FOLDER]

has the child process of the engine compile one guided pass (`narrow-sd1` is the topology of SD 1.5 at a tenth of its
width), loads what it made, and then runs the pass as it is and by the package in turns. Times are those of processors,
not of a clock, so that others on the machine hardly count. Of CUDA it says nothing.
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

TURNS = 30
WARM = 3


def toy() -> tuple[UNet2DConditionModel, int]:
    """The default toy's denoiser, and the side of its latents."""
    return unet(TOYS[0]), 16


def narrow() -> tuple[UNet2DConditionModel, int]:
    config: dict[str, Any] = json.loads((CONFIGS / "sd1" / "unet" / "config.json").read_text())
    return UNet2DConditionModel.from_config({**config, "block_out_channels": (32, 64, 128, 128)}), 32


NETS: dict[str, Callable[[], tuple[UNet2DConditionModel, int]]] = {"toy-sd1": toy, "narrow-sd1": narrow}


def given_to(net: UNet2DConditionModel, side: int) -> PassInputs:
    """What the two rows of a guided image are given."""
    embeds = torch.randn(2, 77, net.config.cross_attention_dim)
    inputs = {"latents": torch.randn(2, 4, side, side), "timesteps": torch.tensor([981.0, 981.0]), "embeds": embeds}
    return flatten_inputs(**inputs, known=keys_and_values(text_layers(net), embeds))


def seconds(body: Callable[[], object]) -> float:
    began = time.process_time()
    body()
    return time.process_time() - began


def compiled(folder: Path, wanted: ForwardPassSpec) -> tuple[Path, float]:
    """The package, and the seconds of processors that the child and its compilers took."""
    compiler = Compiler(folder)
    before = os.times()
    compiler.enqueue(wanted)
    list(compiler.finish())
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return compiler.package(wanted), spent


@torch.inference_mode()
def measure(name: str, folder: Path) -> None:
    torch.manual_seed(0)
    net, side = NETS[name]()
    net.eval().requires_grad_(False)
    given = given_to(net, side)
    wanted = ForwardPassSpec.of(net, given)
    file, compile_s = compiled(folder, wanted)
    packages: list[Package] = []
    load_s = seconds(lambda: packages.append(Package(file, wanted)))
    [package] = packages
    known = [tensor for part, tensor in given.items() if part.startswith("known.")]
    with cached_cross_attention(text_layers(net), known):
        expected, found = run_net(net, given)[0], package(net, given)[0]
        times = [
            (seconds(lambda: run_net(net, given)), seconds(lambda: package(net, given))) for _ in range(WARM + TURNS)
        ]
    as_it_is, by_package = (1000 * median(column) for column in zip(*times[WARM:], strict=True))
    away = float((found - expected).norm() / expected.norm())
    cells = [f"{compile_s:.0f} s", f"{file.stat().st_size / 2**20:.1f} MiB", f"{load_s:.2f} s"]
    cells += [f"{as_it_is:.1f} ms", f"{by_package:.1f} ms", f"{as_it_is / by_package:.2f}", f"{away:.0e}"]
    print(f"| {name}, 2×4×{side}×{side} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    chosen = [each for each in sys.argv[1:] if each in NETS] or list(NETS)
    folders = [each for each in sys.argv[1:] if each not in NETS]
    print(f"torch {torch.__version__}, diffusers {diffusers.__version__}; float32, one thread, processor time")
    print("| pass | compile | package | load | as it is | by package | ratio | difference |")
    print("|---|---|---|---|---|---|---|---|")
    with nullcontext(folders[0]) if folders else tempfile.TemporaryDirectory() as place:
        for each in chosen:
            measure(each, Path(place))
