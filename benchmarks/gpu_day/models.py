"""The models of a run: toys, and nets of full size with random weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import yaml
from safetensors.torch import load_file, save_file

from benchmarks.gpu_day.plan import SHIFTED, DayPlan
from benchmarks.gpu_day.result import Check, Finding, SkippedError
from models import catalog
from models.atomic_write import replacing
from server.commands.bench.bench_models import write_models
from server.commands.bench.plan import MAIN
from server.settings import Settings

SHIFT = 1.01


def toys(plan: DayPlan) -> Iterator[Finding]:
    yield _written(plan.toy_models, "toy", plan.device)


def full_size(plan: DayPlan) -> Iterator[Finding]:
    if plan.small:
        raise SkippedError("a small run has only toys")
    yield _written(plan.full_models, "random", plan.device)


def _written(folder: Path, weights: Literal["toy", "random"], device: str) -> Finding:
    write_models(folder, weights, "", Settings.load(), device)
    _add_shifted(folder)
    names = [entry.name for entry in catalog.read(folder)]
    return Check(title="the catalog reads them", passed=len(names) > 1, found=", ".join(names))


def _add_shifted(folder: Path) -> None:
    """Adds SHIFTED to `models.yaml`: all parts of MAIN but the denoiser, whose weights are a little larger."""
    source, target = catalog.read(folder).find(MAIN).path, folder / SHIFTED
    (target / "unet").mkdir(parents=True, exist_ok=True)
    for part in (*source.iterdir(), *(source / "unet").iterdir()):
        link = target / part.relative_to(source)
        if part.suffix == ".safetensors":
            save_file({key: SHIFT * tensor for key, tensor in load_file(part).items()}, link)
        elif not link.exists():
            link.symlink_to(part.resolve())
    file = folder / "models.yaml"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    document["models"].append({"name": SHIFTED, "path": SHIFTED, "family": "sd1"})
    with replacing(file) as draft:
        draft.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
