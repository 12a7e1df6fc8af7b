from __future__ import annotations

import numpy as np

import pipelines
from models.diffusion.checkpoint import Checkpoint
from pipelines.recipes.control_maps import ControlMaps
from pipelines.recipes.controlled_generation import ControlledParams, generate_controlled

PICTURE = np.zeros((70, 90, 4), np.uint8)


def params() -> ControlledParams:
    return ControlledParams(prompt="a boat", base_model="toy-sd1", version="ignored", seed=5, num_steps=4)


def test_prompt_and_base_model_are_accepted_as_names() -> None:
    assert (params().text, params().model) == ("a boat", "toy-sd1")


def test_fidelity_of_none_starts_from_noise(sd1: Checkpoint) -> None:
    maps = ControlMaps((), "toy-sd1", (), (), None)  # type: ignore[arg-type]
    (from_noise,) = next(generate_controlled(params(), sd1, PICTURE, maps, None))
    (from_image,) = next(generate_controlled(params(), sd1, PICTURE, maps, 0.25))
    assert (from_noise.source, from_noise.width, from_noise.height) == (None, 88, 72)
    assert from_image.source is not None
    assert from_image.strength == 0.75


def test_all_controlled_types_return_maps_and_are_audited_on_request() -> None:
    controlled = [pipeline for pipeline in pipelines.every() if issubclass(pipeline.Params, ControlledParams)]
    assert len(controlled) == 24
    assert {(pipeline.result_shape, pipeline.audited) for pipeline in controlled} == {("control", "on_request")}
