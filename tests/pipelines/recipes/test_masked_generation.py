from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from models.diffusion.checkpoint import Checkpoint
from models.imaging.masks import EmptyMaskError, latent_mask
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from pipelines.recipes.masked_generation import MaskedGenerationParams, generate_masked

PICTURE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
MASK = np.zeros((64, 64), bool)
MASK[8:40, 16:48] = True
LINE = np.zeros((64, 64), bool)
LINE[:, 57:60] = True
"""Between the corners of latent pixels."""


def params(**changes: Any) -> MaskedGenerationParams:
    return MaskedGenerationParams(**{"text": "a boat", "model": "toy-sd1", "seed": 5, "num_steps": 4, **changes})


def test_request_of_a_plain_model_preserves_what_is_outside_the_mask(sd1: Checkpoint) -> None:
    (request,) = next(generate_masked(params(), sd1, PICTURE, MASK))
    assert request.preserve is not None
    assert torch.equal(request.preserve.mask[0, 0].bool(), torch.from_numpy(MASK[::8, ::8]))


def test_thin_line_beside_an_area_is_repainted(toys: dict[str, Checkpoint]) -> None:
    """By the plain model, whose latents are put back outside the mask, and by the one that takes the mask."""
    mask = MASK | LINE
    (plain,) = next(generate_masked(params(), toys["toy-sd1"], PICTURE, mask))
    (inpainting,) = next(generate_masked(params(), toys["toy-sd1-inpainting"], PICTURE, mask))
    assert plain.preserve is not None
    assert inpainting.inpainting_inputs is not None
    for seen in (plain.preserve.mask, inpainting.inpainting_inputs[:, :1]):
        assert torch.equal(seen[0, 0].bool(), torch.from_numpy(latent_mask(mask, 8)))
        assert seen[0, 0, :, 7].all()


@pytest.mark.parametrize("mask", [MASK, LINE])
def test_keep_original_changes_only_masked_pixels(sd1: Checkpoint, mask: np.ndarray) -> None:
    recipe = generate_masked(params(keep_original=True, keep_original_num_fade_pixels=None), sd1, PICTURE, mask)
    next(recipe)
    with pytest.raises(StopIteration) as finished:
        recipe.send([torch.zeros(1, 4, 8, 8)])
    (image,) = finished.value.value
    changed = (image != PICTURE).any(axis=2)
    assert changed[mask].mean() > 0.9
    assert not changed[~mask].any()


def test_inpainting_checkpoint_is_used_unless_use_raw_inpainting() -> None:
    assert params().checkpoint_ref == ModelRef(CHECKPOINT, "toy-sd1", inpainting=True)
    assert params(use_raw_inpainting=True).checkpoint_ref == ModelRef(CHECKPOINT, "toy-sd1")


def test_start_fidelity_is_that_of_the_reference_if_one_is_used() -> None:
    assert params(fidelity=0.2, reference_fidelity=0.6).start_fidelity == 0.2
    assert params(fidelity=0.2, reference_fidelity=0.6, use_reference=True).start_fidelity == 0.6


def test_work_is_an_upper_bound_unless_the_size_is_set() -> None:
    assert params().generation_work.is_upper_bound
    work = params(inpainting_target_wh=[128, 64], fidelity=0.5).generation_work
    assert (work.pixels, work.steps, work.is_upper_bound) == (128 * 64, 2, False)


@pytest.mark.parametrize("channels", [3, 4])
def test_opaque_mask_marks_nothing_where_transparency_marks(channels: int) -> None:
    by_alpha = params(inpainting_mask_invert=True, inpainting_mask_source="alpha")
    black = np.zeros((8, 8, channels), np.uint8)
    black[:, :, 3:] = 255
    with pytest.raises(EmptyMaskError):
        by_alpha.binary_mask(black)
    hole = np.full((8, 8, 4), 255, np.uint8)
    hole[0, 0, 3] = 0
    assert by_alpha.binary_mask(hole).sum() == 1
