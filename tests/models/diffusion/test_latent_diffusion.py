"""Patches of checkpoints of every family."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from models.loaded_model import LoadedModel
from models.patches.circular_padding import CircularPadding
from models.patches.patch import PatchedRows
from models.patches.reference_attention import ReferenceStyle
from models.patches.token_merging import TokenMerging


@pytest.fixture
def toy(checkpoints: dict[str, LoadedModel]) -> Any:
    return checkpoints["sd1"]


def test_adapted_orders_patches_that_run_the_unet_last(toy: Any) -> None:
    style, merging = ReferenceStyle(np.zeros((8, 8, 3), np.uint8), 0.5, 1.0), TokenMerging()
    assert toy.adapted(patches=[style, merging]).patches == (merging, style)
    assert toy.adapted().patches == toy.patches == ()


def test_predict_applies_its_patches(toy: Any) -> None:
    conditioning, _ = toy.encode_prompt("a cat", None, clip_skip=-1, width=64, height=64)
    inputs = torch.randn(1, 4, 8, 8), torch.tensor([400.0]), conditioning
    plain = toy.predict(*inputs)
    patched = toy.predict(*inputs, patches=[PatchedRows(CircularPadding())])
    assert not torch.allclose(patched, plain, atol=1e-3)
    assert torch.equal(toy.adapted(patches=[CircularPadding()]).predict(*inputs), plain)


def test_predict_hands_the_pass_to_the_runner(toy: Any) -> None:
    conditioning, _ = toy.encode_prompt("a cat", None, clip_skip=-1, width=64, height=64)
    inputs = torch.randn(1, 4, 8, 8), torch.tensor([400.0]), toy.with_cached_kv(conditioning)
    names: set[str] = set()

    def runner(net: Any, flat: dict[str, Any], run: Any) -> Any:
        names.update(flat)
        return [2 * output for output in run()]

    assert torch.equal(toy.predict(*inputs, runner=runner), 2 * toy.predict(*inputs))
    assert {"latents", "timesteps", "embeds", "known.0"} <= names
