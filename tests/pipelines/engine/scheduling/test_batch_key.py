"""What trajectories must agree in, and what a step's time and its CUDA graph depend on."""

from __future__ import annotations

import copy
from pathlib import Path

import torch

from models.catalog.entry import ModelEntry
from models.diffusion import vae
from models.diffusion.checkpoint import Checkpoint
from models.loaded_model import next_serial
from models.patches.token_merging import TokenMerging
from pipelines.engine.scheduling.batch_key import BatchKey, key_of
from tests.support.trajectories import trajectory


def merging_key(sd1: Checkpoint, **changes: object) -> BatchKey:
    return key_of(trajectory(sd1.adapted(patches=[TokenMerging(**changes)])))  # type: ignore[arg-type]


def test_patches_of_equal_cost_have_one_cost_key(sd1: Checkpoint) -> None:
    keys = [merging_key(sd1), merging_key(sd1, seed=1), merging_key(sd1, ratio=0.52), merging_key(sd1, ratio=0.9)]
    assert len(set(keys)) == 4
    assert len({key.of_cost for key in keys}) == 2
    assert len({key.of_graph for key in keys}) == 4


def test_equal_names_of_other_weights_share_no_pass(sd1: Checkpoint) -> None:
    """The file of a checkpoint has changed while a task uses the old weights."""
    changed = copy.copy(sd1)
    changed.serial, changed.version = next_serial(), "toy-sd1 changed"
    keys = [key_of(trajectory(sd1)), key_of(trajectory(changed))]
    assert len(set(keys)) == len({key.of_cost for key in keys}) == 2
    changed.version = sd1.version  # the same file, read again
    assert key_of(trajectory(changed)) != keys[0]
    assert key_of(trajectory(changed)).of_cost == keys[0].of_cost


def test_tasks_with_different_vaes_share_steps(sd1: Checkpoint, models_dir: Path) -> None:
    entry = ModelEntry(name="x", path=models_dir / "toy-sd2" / "vae", family="vae")
    other = sd1.adapted(vae=vae.load(entry, torch.device("cpu"), torch.float32))
    assert key_of(trajectory(other)) == key_of(trajectory(sd1))


def test_strict_steps_are_never_compiled(sd1: Checkpoint) -> None:
    assert key_of(trajectory(sd1)).compilable
    assert not key_of(trajectory(sd1, strict=True)).compilable
    assert key_of(trajectory(sd1, strict=True)).of_cost == key_of(trajectory(sd1)).of_cost


def test_unlike_patches_have_unlike_keys(sd1: Checkpoint) -> None:
    """Even where their own keys are equal."""
    keys = [key_of(trajectory(sd1)), key_of(trajectory(sd1, circular=True)), key_of(trajectory(sd1, deep_cache=2))]
    assert len(set(keys)) == len({key.of_cost for key in keys}) == len({key.of_graph for key in keys}) == 3
