"""A technique that exists in this test alone: one patch and one group of parameters are all that it takes."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from models.conditioning import Conditioning
from models.diffusion.checkpoint import Checkpoint
from models.patches.patch import DenoiserInputs, DenoiserPatch, ImageContext, PatchedRows
from pipelines.engine.engine import Engine
from pipelines.engine.scheduling.batch_key import key_of
from pipelines.engine.trajectory import Trajectory
from pipelines.params.patch import PatchParams
from pipelines.pipeline import Models
from pipelines.txt2img import Txt2Img, Txt2ImgParams
from tests.pipelines.conftest import images_of, run_dry

TXT2IMG = Txt2Img()
STEPS = 3


@dataclass(frozen=True)
class Shift(DenoiserPatch):
    """Adds to the latents that the UNet is shown: by kind, by image, by step and by row."""

    kind: str
    amount: float
    noise: torch.Tensor | None = None

    @property
    def batch_key(self) -> Hashable:
        return self.kind

    def for_image(self, image: ImageContext) -> Shift:
        return Shift(self.kind, self.amount, image.noise)

    def step_tensors(self, signal: float, sigma: float) -> Mapping[str, torch.Tensor]:
        assert self.noise is not None
        return {"step": 0.2 * sigma * self.noise}

    def row_tensors(self, conditioning: Conditioning) -> Mapping[str, torch.Tensor]:
        return {"row": conditioning.embeds.mean(dim=(1, 2))}

    @contextmanager
    def apply(self, unet: Any, rows: PatchedRows, inputs: DenoiserInputs) -> Iterator[None]:
        amounts = torch.tensor([row.patch.amount * row.prompted for row in rows.rows if isinstance(row.patch, Shift)])
        total = rows.tensors["step"] + (amounts + rows.tensors["row"])[:, None, None, None]
        hook = unet.conv_in.register_forward_pre_hook(lambda _, given: (given[0] + total,))
        try:
            yield
        finally:
            hook.remove()


class ShiftInfo(PatchParams):
    kind: str = "one"
    amount: float = 0.0

    def denoiser_patch(self, checkpoint: str, models: Models, images: Mapping[str, np.ndarray]) -> Shift:
        return Shift(self.kind, self.amount)


class Params(Txt2ImgParams):
    shift: ShiftInfo | None = None


def params(seed: int, shift: Mapping[str, Any] | None) -> Params:
    size = {"w": 64, "h": 64, "num_steps": STEPS}
    return Params.model_validate({"text": f"boat {seed}", "model": "toy-sd1", "seed": seed, "shift": shift, **size})


def images(engine: Engine, *tasks: Params) -> list[np.ndarray]:
    for index, task in enumerate(tasks):
        engine.add(str(index), TXT2IMG, task, {})
    return [images[0] for _, images in sorted(images_of(run_dry(engine)).items())]


def difference(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other).max())


def test_patched_rows_share_a_pass_and_are_as_if_alone(engine: Engine) -> None:
    tasks = [params(seed, {"amount": seed / 2}) for seed in range(3)]
    alone = [images(engine, task)[0] for task in tasks]
    engine.steps.clear()
    together = images(engine, *tasks)
    assert engine.steps == {6: STEPS}
    assert max(difference(one, other) for one, other in zip(together, alone, strict=True)) <= 1


def test_patched_rows_are_batched_apart_from_others(engine: Engine) -> None:
    tasks = [params(1, None), params(1, {}), params(1, {"kind": "other"}), params(1, {"amount": 2.0})]
    plain, one, other, strong = images(engine, *tasks)
    assert engine.steps == {2: 2 * STEPS, 4: STEPS}
    assert difference(plain, one) > 4
    assert difference(one, other) <= 1
    assert difference(one, strong) > 4
    assert difference(images(engine, params(1, None))[0], plain) <= 1


@pytest.mark.parametrize(("capturable", "compilable"), [(True, False), (False, True)])
def test_batch_key_asks_the_patch(
    sd1: Checkpoint, monkeypatch: pytest.MonkeyPatch, capturable: bool, compilable: bool
) -> None:
    monkeypatch.setattr(Shift, "capturable", capturable)
    monkeypatch.setattr(Shift, "compilable", compilable)
    task = params(1, {})
    key = key_of(Trajectory(task.denoise_request(sd1.adapted(patches=[Shift("one", 1.0)]), task.noises()[0], 64, 64)))
    assert (key.capturable, key.compilable) == (capturable, compilable)
