"""The engine on a card that only pretends: whatever mixes devices fails, and images are those of the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from models import catalog
from models.adapters import controlnet
from models.diffusion.checkpoint import Checkpoint
from models.registry import loaders
from pipelines.engine.engine import Engine
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.pipeline import ControlInput
from pipelines.txt2img import Txt2Img
from tests.pipelines.conftest import Shelf, images_of, run_dry
from tests.support.diffusers_reference import max_difference, txt2img_params
from tests.support.fake_cuda import CUDA
from tests.support.pretended_card import OnCard, pretended_card
from tests.support.trajectories import HINT, finish_all, short_trajectory


@pytest.fixture(scope="module")
def on_card(models_dir: Path) -> Iterator[Any]:
    """A checkpoint on the card, which is there for all tests of this module."""
    with pretended_card():
        yield loaders.load(catalog.read(models_dir).find("toy-sd1"), CUDA, torch.float32)


def images(checkpoint: Checkpoint) -> dict[str, Any]:
    engine = Engine(Shelf(checkpoint), Capacity())
    for index, sampler in enumerate(("euler_a", "dpmpp_2m")):
        engine.add(sampler, Txt2Img(), txt2img_params(index, sampler=sampler), {})
    return images_of(run_dry(engine))


def test_images_are_those_of_the_cpu(sd1: Checkpoint, on_card: Any) -> None:
    found, expected = images(on_card), images(sd1)
    assert all(max_difference(found[name][0], expected[name][0]) <= 1 for name in expected)


def test_controlled_steps_stay_on_the_card(on_card: Any, models_dir: Path) -> None:
    net = controlnet.load(catalog.read(models_dir).find("toy-sd1-canny"), CUDA, torch.float32)
    found = short_trajectory(on_card, 1, ControlInput(net, HINT))
    (clean,) = finish_all(Graphs(), found)
    assert isinstance(clean, OnCard)
    assert found.state()["latents"].device.type == "cpu"


def test_mixed_devices_are_noticed(on_card: Any) -> None:
    with pytest.raises(RuntimeError, match="different devices"):
        torch.zeros(3, device=CUDA) + torch.zeros(3)
    with pytest.raises(TypeError, match="numpy"):
        torch.zeros(3, device=CUDA).numpy()
