"""The time that tiles cost and the memory that they save, with a full-size Real-ESRGAN ×4 of random weights.

    python -m benchmarks.upscale [SIZE [DEVICE]]

prints one table for an image of SIZE × SIZE (default 128): seconds and peak memory of the image in one tile and in
smaller tiles. The memory excludes the weights. On CUDA torch counts it, elsewhere Linux, so each row runs in its own
process.
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

SIZE = 128
MB = 2**20


def upscaler(size: int, device: torch.device) -> Upscaler:
    entry = ModelEntry(name="esr", path=Path("esr.safetensors"), family="upscaler")
    net = MAIN_REGISTRY.load(ESRGAN(in_nc=3, out_nc=3, num_filters=64, num_blocks=23, scale=4).state_dict())
    result = Upscaler(entry, net, dtype_for(device), size)
    result.to(device)
    return result


def measure(size: int, tile: int, name: str) -> tuple[int, float, float]:
    """Tiles, seconds and MiB of one image, measured in the second run."""
    device = torch.device(name)
    net = upscaler(tile, device)
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    canvas = net.canvas(pixels)
    tiles = sum(1 for _ in net.enlarge(pixels, canvas))
    before = reset_peak(device)
    started = time.perf_counter()
    list(net.enlarge(pixels, canvas))
    return tiles, time.perf_counter() - started, peak(device) - before


def reset_peak(device: torch.device) -> float:
    """Resets the peak; returns the MiB in use now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device) / MB
    Path("/proc/self/clear_refs").write_text("5")
    return proc_status_mib("VmRSS")


def peak(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MB
    return proc_status_mib("VmHWM")


def proc_status_mib(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def main(size: int, device: str) -> None:
    print(f"{size}² → {4 * size}² on {device}, {torch.get_num_threads()} threads")
    print(f"{'tile':>8} {'tiles':>6} {'seconds':>9} {'MB':>8}")
    for tile in (size, size // 2, size // 4):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            tiles, seconds, megabytes = alone.submit(measure, size, tile, device).result()
        print(f"{tile:8} {tiles:6} {seconds:9.2f} {megabytes:8.0f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZE, sys.argv[2] if len(sys.argv) > 2 else "cpu")
