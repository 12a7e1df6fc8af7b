"""How similar an image is alone and under load, with the toy checkpoint on this CPU.

    python -m benchmarks.determinism [MODELS_DIR]

runs sixteen different requests alone and together, in both classes of determinism. It prints how many images are
bit-identical, and the distribution of PSNR (peak signal to noise ratio) over the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from benchmarks.engine import MODEL, TXT2IMG, FixedModel, load_checkpoint, mixed, run_with_toys
from pipelines.engine.engine import Engine
from pipelines.engine.events import Failed, Finished
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.txt2img import Txt2ImgParams

SIDE = 128


def generate(engine: Engine, requests: Iterable[Txt2ImgParams]) -> list[np.ndarray]:
    """The image of each request: uint8 [height, width, 3]."""
    images: dict[int, np.ndarray] = {}
    for index, params in enumerate(requests):
        engine.add(str(index), TXT2IMG, params, {})
    while engine.busy:
        for event in engine.step():
            if isinstance(event, Failed):
                raise SystemExit(event.trace)
            if isinstance(event, Finished):
                images[int(event.attempt_id)] = event.result.images[0]
    return [images[index] for index in sorted(images)]


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """In decibels; infinite for identical images."""
    error = float(np.square(one.astype(float) - other).mean())
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)


def measure(folder: Path) -> None:
    checkpoint = load_checkpoint(folder)
    print(f"{MODEL}, {SIDE}², torch {torch.__version__}, {torch.get_num_threads()} threads; alone against 16 together")
    for determinism in ("throughput", "strict"):
        requests = [params.model_copy(update={"determinism": determinism}) for params in mixed(SIDE)]
        together = generate(Engine(FixedModel(checkpoint), Capacity()), requests)
        alone = [generate(Engine(FixedModel(checkpoint), Capacity()), [params])[0] for params in requests]
        differing = sorted(value for value in map(psnr, together, alone) if value != float("inf"))
        text = f"{len(requests) - len(differing)} of {len(requests)} images identical"
        if differing:
            text += f"; PSNR of the others {differing[0]:.1f} dB minimum, {np.median(differing):.1f} dB median"
        print(f"{determinism:10}  {text}")


if __name__ == "__main__":
    run_with_toys(measure)
