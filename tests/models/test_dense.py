"""Dense blocks on one buffer: the same numbers, and nothing is concatenated."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from spandrel.architectures.ESRGAN import ESRGAN
from torch.utils._python_dispatch import TorchDispatchMode

from models.dense import without_concatenation


class Concatenated(TorchDispatchMode):
    """Counts the bytes that concatenations write."""

    bytes = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        if function is torch.ops.aten.cat.default:
            self.bytes += made.nbytes
        return made


@pytest.mark.parametrize("rows", [1, 3])
@torch.inference_mode()
def test_bit_for_bit_as_before_without_concatenation(rows: int) -> None:
    net = ESRGAN(in_nc=3, out_nc=3, num_filters=16, num_blocks=2, scale=4).eval()
    lean, given = copy.deepcopy(net), torch.rand(rows, 3, 24, 20)
    assert without_concatenation(lean) == 6
    with Concatenated() as before:
        expected = net(given)
    with Concatenated() as after:
        found = lean(given)
    assert torch.equal(found, expected)
    assert (before.bytes > 0, after.bytes) == (True, 0)


@torch.inference_mode()
def test_blocks_that_do_more_are_left_alone() -> None:
    net = ESRGAN(in_nc=3, out_nc=3, num_filters=16, num_blocks=1, scale=2, plus=True).eval()
    assert without_concatenation(net) == 0
