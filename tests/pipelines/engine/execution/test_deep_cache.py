"""Kept deep features, in the engine: as the authors' own helper has them, in any company, and across a rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from DeepCache import DeepCacheSDHelper

from models import catalog
from models.adapters import controlnet
from models.diffusion.checkpoint import Checkpoint
from pipelines.engine.batch import Batch
from pipelines.engine.engine import Engine
from pipelines.engine.events import Finished
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.scheduling.batch_key import key_of
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.snapshot import Snapshot
from pipelines.engine.trajectory import Depth, Trajectory
from pipelines.pipeline import ControlInput
from pipelines.txt2img import Txt2Img
from tests.pipelines.conftest import Shelf, images_of, run_dry
from tests.pipelines.engine.tape import Tape
from tests.support.diffusers_reference import SIDE, DiffusersReference, max_difference, txt2img_params
from tests.support.nets import net_of
from tests.support.trajectories import HINT, denoise, finish

TXT2IMG = Txt2Img()


class Cached(DiffusersReference):
    """A diffusers pipeline with the authors' helper around its UNet."""

    def image_at(self, interval: int, params: Any) -> Any:
        helper = DeepCacheSDHelper(pipe=self.pipe)
        helper.set_params(cache_interval=interval, cache_branch_id=0)
        helper.enable()
        try:
            return self.image(params, width=SIDE, height=SIDE)
        finally:
            helper.disable()


@pytest.mark.parametrize(
    ("model", "kind"),
    [("toy-sd1", diffusers.StableDiffusionPipeline), ("toy-sdxl", diffusers.StableDiffusionXLPipeline)],
)
def test_mixed_batch_equals_the_authors_implementation(engine: Engine, models_dir: Path, model: str, kind: Any) -> None:
    stock = Cached(kind, models_dir / model)
    intervals = {"euler": 2, "ddim": 3, "dpmpp_2m": 1, "unipc": 5, "euler_a": 3}
    wishes = {
        name: txt2img_params(place, model, sampler=name, deep_cache=interval)
        for place, (name, interval) in enumerate(intervals.items())
    }
    for name, params in wishes.items():
        engine.add(name, TXT2IMG, params, {})
    made = images_of(run_dry(engine))
    differences = {
        name: max_difference(made[name][0], stock.image_at(intervals[name], params)) for name, params in wishes.items()
    }
    assert max(differences.values()) <= 1, differences
    plain = stock.image(wishes["ddim"], width=SIDE, height=SIDE)
    assert max_difference(made["ddim"][0], plain) > 1


@torch.inference_mode()
def test_steps_of_different_depth_are_not_shared(sd1: Checkpoint) -> None:
    plain, one, other = (Trajectory(denoise(sd1, deep_cache=every)) for every in (1, 2, 2))
    assert len({key_of(each) for each in (plain, one, other)}) == 2
    Batch([one]).step()
    assert [each.depth for each in (plain, one, other)] == ["full", "cached", "full_and_cache"]
    assert len({key_of(each) for each in (plain, one, other)}) == 3


def test_priority_counts_cached_steps_as_short(shelf: Shelf, sd1: Checkpoint) -> None:
    """Where sharing gains nothing, eight steps of which one is whole are overtaken by no three whole ones."""
    capacity = Capacity()
    trajectory = Trajectory(txt2img_params(0).denoise_request(sd1, txt2img_params(0).noises()[0], SIDE, SIDE))
    times: dict[Depth, float] = {"full": 5.0, "full_and_cache": 5.0, "cached": 0.05}
    for depth, seconds in times.items():
        for rows in (2, 4) * 4:
            capacity.observe(key_of(trajectory, depth), rows, seconds * rows / 2)
    engine = Engine(shelf, capacity)
    engine.add("whole", TXT2IMG, txt2img_params(0, sampler="euler"), {})
    engine.step()
    short = txt2img_params(0, sampler="euler", deep_cache=10).model_copy(update={"num_steps": 8})
    engine.add("shallow", TXT2IMG, short, {})
    assert [event.attempt_id for event in run_dry(engine) if isinstance(event, Finished)] == ["shallow", "whole"]


def test_step_where_guidance_sets_in_is_full(sd1: Checkpoint) -> None:
    """And where it ends, the prompt's own features serve on."""
    trajectory = Trajectory(denoise(sd1, steps=8, deep_cache=4, guidance_interval=(0.25, 0.75)))
    seen = []
    with torch.inference_mode():
        while not trajectory.done:
            seen.append((trajectory.depth, trajectory.rows))
            Batch([trajectory]).step()
    full, cached = "full_and_cache", "cached"
    assert seen == [*((full, 1), (cached, 1)), *((full, 2), (cached, 2)) * 2, *((cached, 1), (cached, 1))]


def test_controlnet_of_a_cached_step_runs_outermost_only(sd1: Checkpoint, models_dir: Path) -> None:
    """Of what it adds, shallow steps feel only what comes before its layers."""
    net = controlnet.load(catalog.read(models_dir).find("toy-sd1-canny"), torch.device("cpu"), torch.float32)
    whole: list[object] = []
    net_of(net).mid_block.register_forward_hook(lambda *_: whole.append(None))
    felt = finish(Trajectory(denoise(sd1, steps=4, deep_cache=2, controls=(ControlInput(net, HINT),))))
    assert len(whole) == 2
    assert not torch.equal(felt, finish(Trajectory(denoise(sd1, steps=4, deep_cache=2))))


@pytest.mark.parametrize("steps_before", [1, 3])
def test_snapshot_between_cached_steps_keeps_features(sd1: Checkpoint, steps_before: int) -> None:
    expected = finish(Trajectory(denoise(sd1, deep_cache=3)))
    trajectory = Trajectory(denoise(sd1, deep_cache=3))
    with torch.inference_mode():
        for _ in range(steps_before):
            Batch([trajectory]).step()
    state = trajectory.state()
    assert ("deep" in state) == (steps_before % 3 > 0), "before a whole pass they would be of no use"
    ((state,),) = Snapshot.from_bytes(Snapshot(((state,),)).to_bytes()).yields
    assert torch.equal(finish(Trajectory(denoise(sd1, deep_cache=3), state)), expected)


@torch.inference_mode()
def test_replays_keep_the_features_of_their_rows(sd1: Checkpoint) -> None:
    graphs, seeds = Graphs(Tape), range(4)
    for _ in range(2):
        four = [Trajectory(denoise(sd1, deep_cache=2, guidance=float(seed))) for seed in seeds]
        while pending := [each for each in four if not each.done]:
            Batch(pending, graphs).step()
    assert graphs.captured == 2
    for seed, found in zip(seeds, four, strict=True):
        expected = finish(Trajectory(denoise(sd1, deep_cache=2, guidance=float(seed))))
        assert (found.clean - expected).norm() <= 1e-4 * expected.norm()
