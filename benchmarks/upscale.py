"""What tiles cost and what memory they save, on a Real-ESRGAN ×4 of full size with weights of chance.

    python -m benchmarks.upscale [SIDE [DEVICE]]

prints one table for a picture of SIDE × SIDE (128 if not said): seconds and peak memory of the whole picture at once
and of smaller and smaller tiles. The memory is what was taken on top of the weights: on CUDA as torch counts it,
elsewhere as Linux does, so each row has a process of its own.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from spandrel import MAIN_REGISTRY
from spandrel.architectures.ESRGAN import ESRGAN

from models.catalog.entry import ModelEntry
from models.registry.loaders import dtype_for
from models.vision.upscaler import Upscaler

SIDE = 128
MB = 2**20


def upscaler(side: int, device: torch.device) -> Upscaler:
    entry = ModelEntry(name="esr", path=Path("esr.safetensors"), family="upscaler")
    net = MAIN_REGISTRY.load(ESRGAN(in_nc=3, out_nc=3, num_filters=64, num_blocks=23, scale=4).state_dict())
    made = Upscaler(entry, net, dtype_for(device), side)
    made.to(device)
    return made


def measure(side: int, tile: int, name: str) -> tuple[int, float, float]:
    """Goes, seconds and megabytes of one picture, the second time it is made."""
    device = torch.device(name)
    net = upscaler(tile, device)
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    canvas = net.canvas(pixels)
    goes = sum(1 for _ in net.enlarge(pixels, canvas))
    before = reset_peak(device)
    started = time.perf_counter()
    list(net.enlarge(pixels, canvas))
    return goes, time.perf_counter() - started, peak(device) - before


def reset_peak(device: torch.device) -> float:
    """Lets the peak begin anew; the megabytes in use now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device) / MB
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def peak(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MB
    return resident("VmHWM")


def resident(what: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def main(side: int, device: str) -> None:
    print(f"{side}² → {4 * side}² on {device}, {torch.get_num_threads()} threads")
    print(f"{'tile':>8} {'goes':>6} {'seconds':>9} {'MB':>8}")
    for tile in (side, side // 2, side // 4):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            goes, seconds, megabytes = alone.submit(measure, side, tile, device).result()
        print(f"{tile:8} {goes:6} {seconds:9.2f} {megabytes:8.0f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SIDE, sys.argv[2] if len(sys.argv) > 2 else "cpu")
