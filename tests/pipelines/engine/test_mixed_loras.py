"""Tasks with different LoRAs, and without, share their steps: each image as if it were painted alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import pipelines
from models import catalog
from models.adapters import controlnet
from models.adapters.controlnet import ControlNet
from models.adapters.lora import Lora
from models.adapters.lora_merge import Adapter
from models.adapters.lora_packing import MOST_SETS
from models.diffusion.checkpoint import Checkpoint
from models.patches.reference_attention import ReferenceStyle
from pipelines.engine import batch
from pipelines.engine.batch import Batch, key_beside, mixing
from pipelines.engine.engine import Engine
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.scheduling.batch_key import BatchKey
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.scheduling.lora_choice import LoraChoice, Plan
from pipelines.engine.trajectory import Trajectory
from pipelines.pipeline import ControlInput
from tests.pipelines.conftest import EvenCapacity, Shelf, images_of, run_dry
from tests.pipelines.engine.tape import Tape
from tests.support.trajectories import HINT, close, finish, short_trajectory, trajectory

TASKS = {
    "neon": "a red house <lora:toy-neon:0.9>",
    "ink": "a red house <lora:toy-lora:0.8>",
    "unet": "a red house <lora:toy-lora-peft:0.7>",
    "two": "a red house <lora:toy-lora:-0.5> <lora:toy-neon:0.4>",
    "plain": "a red house",
    "sums": "a red house <lora:sums:0.7> <lora:toy-neon:0.2>",
}
PICTURE = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
MASK = np.zeros((64, 64, 3), np.uint8)
MASK[:32] = 255


@pytest.fixture
def canny(models_dir: Path) -> ControlNet:
    entry = catalog.read(models_dir).find("toy-sd1-canny")
    return controlnet.load(entry, torch.device("cpu"), torch.float32)


def sums(like: Lora) -> Lora:
    """For the modules of another LoRA, every kind of update that is a sum."""
    generator = torch.Generator().manual_seed(3)

    def random(*shape: int) -> Tensor:
        return 0.02 * torch.randn(shape, generator=generator)

    updates: dict[str, dict[str, dict[str, Tensor]]] = {}
    for part, modules in like.updates.items():
        own = updates.setdefault(part, {})
        for index, (name, factors) in enumerate(modules.items()):
            outputs, inputs, *kernel = len(factors["up"]), *factors["down"].shape[1:]
            own[name] = (
                {"lokr_w1": 10 * random(4, 4), "lokr_w2": random(outputs // 4, inputs // 4, *kernel)},
                {"diff": random(outputs, inputs, *kernel), "diff_b": random(outputs)},
                {f"hada_t{number}": 20 * random(2, 2, *(kernel or [1, 1])) for number in (1, 2)}
                | {f"hada_w{number}_a": 20 * random(2, outputs) for number in (1, 2)}
                | {f"hada_w{number}_b": random(2, inputs) for number in (1, 2)},
            )[index % 3]
            if name.endswith("conv1"):
                norm = {role: random(inputs) for role in ("diff", "diff_b")}
                own[name.replace("conv1", "norm1")] = norm
    return Lora("sums", updates)


def sent(kind: str, text: str) -> tuple[Any, dict[str, np.ndarray]]:
    common = {"text": text, "model": "toy-sd1", "seed": 7, "num_steps": 3, "max_wh": 64}
    fields: dict[str, dict[str, Any]] = {
        "txt2img.sd": {"w": 64, "h": 64},
        "img2img.sd": {"url": "x", "fidelity": 0.1},
        "txt2img.sd.inpainting": {"url": "x", "mask_url": "x"},
    }
    images = {name: PICTURE if name == "url" else MASK for name in fields[kind] if name.endswith("url")}
    return pipelines.find(kind).Params.model_validate(common | fields[kind]), images


@pytest.mark.parametrize("kind", ["txt2img.sd", "img2img.sd", "txt2img.sd.inpainting"])
def test_sets_in_one_batch_equal_each_alone(shelf: Shelf, kind: str) -> None:
    shelf.loras = {**shelf.loras, "sums": sums(shelf.loras["toy-neon"])}
    engine = Engine(shelf, EvenCapacity())
    for name, text in TASKS.items():
        params, images = sent(kind, text)
        engine.add(name, pipelines.find(kind), params, images)
    together = images_of(run_dry(engine))
    assert max(engine.steps) >= 2 * len(TASKS) - 2, engine.steps
    for name, text in TASKS.items():
        params, images = sent(kind, text)
        engine.add(name, pipelines.find(kind), params, images)
        [alone] = images_of(run_dry(engine))[name]
        assert np.abs(together[name][0].astype(int) - alone).max() <= 1, name
    assert len({each[0].tobytes() for each in together.values()}) == len(TASKS)


def four(sd1: Checkpoint, loras: dict[str, Lora]) -> list[Trajectory]:
    adapters = ([("toy-neon", 0.9)], [], [("toy-lora", 0.8), ("toy-neon", -0.3)], [("toy-neon", 0.9)])
    views = [sd1.adapted([Adapter(loras[name], scale, 0.0) for name, scale in each]) for each in adapters]
    return [short_trajectory(view, seed, guided=seed != 2) for seed, view in enumerate(views)]


@torch.inference_mode()
def finish_beside(graphs: Graphs, trajectories: list[Trajectory]) -> list[Tensor]:
    while pending := [each for each in trajectories if not each.done]:
        Batch(pending, graphs, beside=True).step()
    return [each.clean for each in trajectories]


def test_replayed_steps_equal_merged_ones(sd1: Checkpoint, loras: dict[str, Lora]) -> None:
    """A graph is captured with some LoRAs, and replayed with others of the same shapes."""
    graphs = Graphs(Tape)
    finish_beside(graphs, four(sd1, loras))
    assert graphs.captured == 1
    others = four(sd1, loras)[::-1]
    for found, expected in zip(finish_beside(graphs, others), four(sd1, loras)[::-1], strict=True):
        assert close(found, finish(expected))
    assert graphs.captured == 1


@torch.inference_mode()
def test_control_acts_beside_the_loras(sd1: Checkpoint, loras: dict[str, Lora], canny: ControlNet) -> None:
    def controlled() -> list[Trajectory]:
        views = [sd1.adapted([Adapter(loras[name], 0.9)]) for name in ("toy-neon", "toy-lora")]
        return [short_trajectory(view, seed, ControlInput(canny, HINT, 0.8)) for seed, view in enumerate(views)]

    for found, expected in zip(finish_beside(Graphs(Tape), controlled()), controlled(), strict=True):
        assert close(found, finish(expected))


def test_reference_styles_are_merged(sd1: Checkpoint, loras: dict[str, Lora]) -> None:
    """Their attention runs again for some rows of a pass, which LoRAs of each row do not fit."""
    styles = [ReferenceStyle(PICTURE, fidelity=1.0, weight=1.0) for _ in range(2)]
    ink, plain = ([Adapter(loras["toy-lora"], 0.8)] if worn else [] for worn in (True, False))
    waiting = [
        trajectory(sd1.adapted(adapters, patches=[style])) for adapters, style in zip((ink, plain), styles, strict=True)
    ]
    assert mixing(waiting) == []


def test_sets_beyond_the_limit_are_not_asked_for(sd1: Checkpoint, loras: dict[str, Lora]) -> None:
    """A checkpoint keeps the sets that it was last asked for; with more, each step would compute all of them again."""
    scales = [0.1 * number for number in range(1, 3 * MOST_SETS)]
    waiting = [trajectory(sd1.adapted([Adapter(loras["toy-lora-peft"], scale)])) for scale in scales]
    assert mixing(waiting) == waiting[:MOST_SETS]
    sets = [each.denoise.checkpoint.lora_set for each in waiting[:MOST_SETS]]
    assert mixing(waiting) == waiting[:MOST_SETS]
    assert all(each.denoise.checkpoint.lora_set is one for each, one in zip(waiting, sets, strict=False))


def test_sets_beyond_the_limit_of_memory_wait(
    sd1: Checkpoint, loras: dict[str, Lora], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = [trajectory(sd1.adapted([Adapter(loras["toy-lora-peft"], 0.1 * number)])) for number in range(5)]
    two = key_beside(waiting[1:3]).beside
    assert two is not None
    monkeypatch.setattr(batch, "MOST_BYTES", two.bytes(sd1.dtype))
    assert mixing(waiting) == waiting[:3]
    assert mixing(waiting[1:] + waiting[1:2]) == [*waiting[1:3], waiting[1]]


def test_one_of_a_failed_batch_alone_is_merged(sd1: Checkpoint, loras: dict[str, Lora]) -> None:
    """The device may have no memory for LoRAs beside the weights, and merged ones take none."""
    first, second = Batch(four(sd1, loras), beside=True).halves
    assert first.key.beside is not None
    assert {half.key.beside for each in (first, second) for half in each.halves} == {None}
    assert [half.key.adapters for half in first.halves] == [
        each.denoise.checkpoint.adapters for each in first.trajectories
    ]


def test_strict_tasks_and_other_sizes_do_not_mix(sd1: Checkpoint, loras: dict[str, Lora]) -> None:
    inked = sd1.adapted([Adapter(loras["toy-lora"], 0.8)])
    first = trajectory(inked)
    others = [trajectory(sd1), trajectory(sd1, width=72), trajectory(inked, strict=True)]
    assert mixing([first, *others]) == [first, others[0]]


def test_decomposed_loras_are_merged(sd1: Checkpoint, loras: dict[str, Lora]) -> None:
    def decomposed(factors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        up = factors["up"]
        return {**factors, "dora_scale": torch.ones(len(up), *[1] * (factors["down"].ndim - 1))}

    parts = loras["toy-lora-peft"].updates.items()
    updates = {part: {name: decomposed(factors) for name, factors in modules.items()} for part, modules in parts}
    plain, dora = trajectory(sd1), trajectory(sd1.adapted([Adapter(Lora("dora", updates), 0.8)]))
    assert mixing([dora, plain]) == []
    assert mixing([plain, dora]) == [plain]


def test_one_set_alone_is_merged(shelf: Shelf, sd1: Checkpoint, loras: dict[str, Lora]) -> None:
    engine, inked = Engine(shelf, EvenCapacity()), sd1.adapted([Adapter(loras["toy-neon"], 0.9)])
    for name in ("one", "other"):
        params, images = sent("txt2img.sd", TASKS["neon"])
        engine.add(name, pipelines.find("txt2img.sd"), params, images)
    run_dry(engine)
    assert inked.is_merged
    assert not sd1.is_merged
    for name in ("neon", "plain"):
        params, images = sent("txt2img.sd", TASKS[name])
        engine.add(name, pipelines.find("txt2img.sd"), params, images)
    engine.step()
    assert sd1.is_merged


def test_key_holds_the_shape_of_the_sets_alone(sd1: Checkpoint, loras: dict[str, Lora]) -> None:
    def key(*scales: float) -> BatchKey:
        return key_beside([trajectory(sd1.adapted([Adapter(loras["toy-lora"], scale)])) for scale in scales])

    assert key(0.5, 0.6) == key(0.1, 0.9)
    assert key(0.5).beside is not None
    assert key(0.5).of_graph.beside == key(0.5).beside
    assert key(0.5).of_cost == key(0.1).of_cost != key(0.5)._replace(beside=None).of_cost
    assert key(0.5).of_cost.beside is None  # of the many mixes of files, those of one size are measured together
    assert not key(0.5).compilable


def plans(sd1: Checkpoint, loras: dict[str, Lora]) -> tuple[Plan, Plan]:
    beside = key_beside([trajectory(sd1.adapted([Adapter(loras["toy-lora"], 0.5)]))])
    return Plan(beside, 8, 20), Plan(beside._replace(beside=None), 2, 20)


@pytest.mark.parametrize(
    ("beside_s", "merged_s", "merge_s", "is_merged", "pays"),
    [
        (0.8, 0.25, 0.0, True, True),  # 10 rows a second, and 8
        (1.1, 0.25, 0.0, True, False),
        (1.1, 0.25, 2.0, False, True),  # the merge takes a tenth of a second of each of 20 steps
        (1.1, 0.25, 2.0, True, False),
    ],
)
def test_faster_way_is_chosen(
    sd1: Checkpoint,
    loras: dict[str, Lora],
    beside_s: float,
    merged_s: float,
    merge_s: float,
    is_merged: bool,
    pays: bool,
) -> None:
    beside, merged = plans(sd1, loras)
    capacity, choice = Capacity(), LoraChoice()
    assert choice.beside_pays(capacity, beside, merged, is_merged=is_merged)  # nothing is measured yet
    for plan, seconds in ((beside, beside_s), (merged, merged_s)):
        for _ in range(2):
            capacity.observe(plan.key, plan.rows, seconds)
    choice.observe_merge(merge_s)
    assert choice.beside_pays(capacity, beside, merged, is_merged=is_merged) is pays
