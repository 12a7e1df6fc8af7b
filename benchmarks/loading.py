"""How long a full-size single file takes to scan and to load, with how much memory, and how soon it paints.

    python -m benchmarks.loading [FAMILY [DEVICE]]

builds a file of random weights in half precision, of FAMILY `sd1` (2.1 GB, the default) or `sdxl` (6.9 GB), in a
temporary folder (TMPDIR), and prints the seconds and the bytes read of a scan; then, twice, the seconds and the peak of
host memory of loading it, beside those of merely reading and casting its bytes, one tensor after the other. A first
picture of 128 × 128 follows. SDXL on the CPU takes 14 GB of memory. Each line is measured in a process of its own,
while the file is in the page cache.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors import safe_open
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from models import catalog
from models.diffusion.checkpoint import Checkpoint
from models.kinds import FAMILIES
from models.registry.loaders import dtype_for, load
from models.weights import CONFIGS
from pipelines.engine.batch import Batch
from pipelines.engine.warmup import trajectories
from tests.support.ldm_layout import to_single_file
from tests.support.peak_memory import peak_bytes, reset_peak_bytes

P = ParamSpec("P")
R = TypeVar("R")
GB = 1e9
MODEL = "random"
SIZE, STEPS = 128, 4
SPREAD = 0.02
BLOCK = 2**20
"""Random numbers, which are repeated: only their count matters."""


class Loaded(NamedTuple):
    seconds: float
    peak: int
    """Bytes of host memory above those before."""
    resident: int
    picture_s: float = 0.0


def build(family: str, file: Path) -> None:
    """Writes a checkpoint as its authors publish it: one file in the layout of latent diffusion."""
    with torch.device("meta"):
        nets: dict[str, nn.Module] = {
            "unet": UNet2DConditionModel.from_config(config(family, "unet")),
            "vae": AutoencoderKL.from_config(config(family, "vae")),
            "text_encoder": CLIPTextModel(CLIPTextConfig.from_dict(config(family, "text_encoder"))),
        }
        if family == "sdxl":
            text_config = CLIPTextConfig.from_dict(config(family, "text_encoder_2"))
            nets["text_encoder_2"] = CLIPTextModelWithProjection(text_config)
    parts = {name: dict(net.state_dict()) for name, net in nets.items()}
    tensors = to_single_file(parts, layers=config(family, "unet")["layers_per_block"])
    write(file, {name: list(tensor.shape) for name, tensor in tensors.items()})


def config(family: str, part: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((CONFIGS / family / part / "config.json").read_text(encoding="utf-8"))
    return content


def write(file: Path, shapes: dict[str, list[int]]) -> None:
    """A safetensors file of random numbers in half precision; never more than one block of it is in memory."""
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * torch.Size(shape).numel()
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    block = (torch.randn(BLOCK, generator=torch.Generator().manual_seed(0)) * SPREAD).half().numpy().tobytes()
    with file.open("wb") as opened:
        opened.write(len(text).to_bytes(8, "little") + text)
        while end:
            end -= opened.write(block[:end])


def scan(folder: Path) -> tuple[float, int]:
    """Seconds, and bytes read."""
    before, started = bytes_read(), time.perf_counter()
    catalog.read(folder)
    return time.perf_counter() - started, bytes_read() - before


def read_and_cast(folder: Path, device: str) -> Loaded:
    """What no loader can do without."""
    entry = catalog.read(folder).find(MODEL)
    before, started = reset_peak_bytes(), time.perf_counter()
    with safe_open(entry.path, framework="pt") as opened:
        names = opened.keys()
        tensors = [opened.get_tensor(name).to(device, dtype_for(torch.device(device))) for name in names]
    seconds = time.perf_counter() - started
    return Loaded(seconds, peak_bytes() - before, sum(tensor.nbytes for tensor in tensors))


@torch.inference_mode()
def load_and_paint(folder: Path, name: str) -> Loaded:
    """Loads as a worker does, and paints one picture."""
    entry = catalog.read(folder).find(MODEL)
    device = torch.device(name)
    FAMILIES[entry.family].import_loader()
    before, started = reset_peak_bytes(), time.perf_counter()
    model = load(entry, device, dtype_for(device))
    seconds, peak = time.perf_counter() - started, peak_bytes() - before
    started, checkpoint = time.perf_counter(), cast(Checkpoint, model)
    (image,) = trajectories(checkpoint, SIZE, SIZE, 1, STEPS)
    while not image.done:
        Batch([image]).step()
    checkpoint.decode(image.clean)
    return Loaded(seconds, peak, model.bytes, time.perf_counter() - started)


def bytes_read() -> int:
    lines = Path("/proc/self/io").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("rchar"))


def alone(measure: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of a function that a new process runs."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measure, *args, **kwargs).result()


def main(family: str, device: str) -> None:
    with TemporaryDirectory() as name:
        folder, file = Path(name), Path(name) / f"{MODEL}.safetensors"
        build(family, file)
        print(f"{family}, {file.stat().st_size / GB:.1f} GB, on {device}, {torch.get_num_threads()} threads")
        seconds, read = alone(scan, folder)
        print(f"scan: {1000 * seconds:.0f} ms, {read / 1000:.0f} kB read", flush=True)
        print(f"{'':16} {'seconds':>8} {'resident':>9} {'peak':>8} {'peak / resident':>16} {'picture':>8}")
        for _ in range(2):
            least, loaded = alone(read_and_cast, folder, device), alone(load_and_paint, folder, device)
            for title, one in (("read and cast", least), ("load", loaded)):
                memory = f"{one.resident / GB:6.2f} GB {one.peak / GB:5.2f} GB {one.peak / one.resident:16.2f}"
                print(f"{title:16} {one.seconds:8.2f} {memory} {one.picture_s:6.1f} s")
            print(f"{'ratio':16} {loaded.seconds / least.seconds:8.2f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "sd1", sys.argv[2] if len(sys.argv) > 2 else "cpu")
