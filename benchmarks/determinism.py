"""How alike an image is alone and under load, on the toy checkpoint and this machine's processor.

    python -m benchmarks.determinism [MODELS_DIR]

makes sixteen unlike requests alone and together, in both classes of determinism, and prints how many are the same bit
for bit, and the distribution of PSNR (peak signal to noise ratio) over the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from benchmarks.engine import MODEL, TXT2IMG, Resident, among_toys, mixed
from models import catalog
from models.registry import loaders
from pipelines.engine.engine import Engine
from pipelines.engine.events import Failed, Finished
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.txt2img import Txt2ImgParams

SIDE = 128


def made(engine: Engine, wishes: Iterable[Txt2ImgParams]) -> list[np.ndarray]:
    """The image of each."""
    images: dict[int, np.ndarray] = {}
    for index, params in enumerate(wishes):
        engine.add(str(index), TXT2IMG, params, {})
    while engine.busy:
        for event in engine.step():
            if isinstance(event, Failed):
                raise SystemExit(event.trace)
            if isinstance(event, Finished):
                images[int(event.attempt_id)] = event.result.images[0]
    return [images[index] for index in sorted(images)]


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """Decibels; infinite where nothing differs."""
    error = float(np.square(one.astype(float) - other).mean())
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)


def measure(folder: Path) -> None:
    checkpoint = loaders.load(catalog.read(folder).find(MODEL), torch.device("cpu"), torch.float32)
    print(f"{MODEL}, {SIDE}², torch {torch.__version__}, {torch.get_num_threads()} threads; alone against 16 together")
    for determinism in ("throughput", "strict"):
        wishes = [params.model_copy(update={"determinism": determinism}) for params in mixed(SIDE)]
        together = made(Engine(Resident(checkpoint), Capacity()), wishes)
        alone = [made(Engine(Resident(checkpoint), Capacity()), [params])[0] for params in wishes]
        differing = sorted(value for value in map(psnr, together, alone) if value != float("inf"))
        told = f"{len(wishes) - len(differing)} of {len(wishes)} images identical"
        if differing:
            told += f"; PSNR of the others {differing[0]:.1f} dB at least, {np.median(differing):.1f} dB in the middle"
        print(f"{determinism:10}  {told}")


if __name__ == "__main__":
    among_toys(measure)
