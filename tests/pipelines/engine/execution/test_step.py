"""One step on memory that stays: it waits for no device, and takes over nothing from who was there before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models import catalog
from models.adapters import controlnet
from models.adapters.lora import Lora
from models.adapters.lora_merge import Adapter
from models.conditioning import Prompts
from models.diffusion.checkpoint import Checkpoint
from models.registry import loaders
from pipelines.engine.batch import Batch
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.trajectory import Trajectory
from pipelines.pipeline import ControlInput
from tests.support.trajectories import HINT, finish_all, short_trajectory


@pytest.mark.parametrize("deep_cache", [1, 2])
def test_step_never_waits_for_the_device(models_dir: Path, deep_cache: int) -> None:
    """On the meta device, which has shapes but no numbers, whatever would wait for a number fails."""
    models, meta = catalog.read(models_dir), torch.device("meta")
    checkpoint = loaders.load(models.find("toy-sd1"), torch.device("cpu"), torch.float32)
    net = controlnet.load(models.find("toy-sd1-canny"), torch.device("cpu"), torch.float32)
    assert isinstance(checkpoint, Checkpoint)
    requests = [
        short_trajectory(checkpoint, seed, ControlInput(net, HINT), guided=bool(seed)).denoise for seed in (0, 1)
    ]
    for model in (checkpoint, net):
        model.to(meta)
    there = [
        Trajectory(
            replace(
                request,
                deep_cache=deep_cache,
                prompts=(
                    Prompts(
                        tuple(replace(each, embeds=each.embeds.to(meta)) for each in prompts.positives),
                        prompts.negative and replace(prompts.negative, embeds=prompts.negative.embeds.to(meta)),
                    ),
                ),
            )
        )
        for request in requests
        for prompts in request.prompts
    ]
    assert [each.shape for each in finish_all(Graphs(), *there)] == [(1, 4, 8, 8)] * 2
    with pytest.raises((RuntimeError, NotImplementedError)):
        there[0].clean.sum().item()


def test_step_memory_carries_nothing_between_requests(sd1: Checkpoint) -> None:
    graphs = Graphs()
    finish_all(graphs, short_trajectory(sd1, 1), short_trajectory(sd1, 2))
    found = finish_all(graphs, short_trajectory(sd1, 3), short_trajectory(sd1, 4))
    expected = finish_all(Graphs(), short_trajectory(sd1, 3), short_trajectory(sd1, 4))
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_keys_and_values_follow_the_weights(sd1: Checkpoint, loras: dict[str, Lora]) -> None:
    """Two that differ in their LoRA take turns, step by step, on the same weights."""
    worn = sd1.adapted([Adapter(loras["toy-lora"], 0.8)])
    graphs, plain, inked = Graphs(), short_trajectory(sd1, 1), short_trajectory(worn, 1)
    with torch.inference_mode():
        while not plain.done:
            Batch([plain], graphs).step()
            Batch([inked], graphs).step()
    assert torch.equal(plain.clean, finish_all(Graphs(), short_trajectory(sd1, 1))[0])
    assert torch.equal(inked.clean, finish_all(Graphs(), short_trajectory(worn, 1))[0])
    assert not torch.allclose(plain.clean, inked.clean, atol=1e-3)


def test_keys_and_values_are_computed_once_per_request(sd1: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    with_cached_kv = type(sd1).with_cached_kv

    def counted(self: Checkpoint, *arguments: object) -> object:
        made.append(1)
        return with_cached_kv(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(sd1), "with_cached_kv", counted)
    finish_all(Graphs(), short_trajectory(sd1, 1), short_trajectory(sd1, 2))
    assert len(made) == 1


def test_noise_drawn_ahead_is_drawn_again_after_a_restore(sd1: Checkpoint) -> None:
    begun = short_trajectory(sd1, 1)
    with torch.inference_mode():
        Batch([begun]).step()
    state = begun.state()
    expected = finish_all(Graphs(), begun)[0]
    resumed = Trajectory(short_trajectory(sd1, 1).denoise, state)
    assert torch.equal(finish_all(Graphs(), resumed)[0], expected)
