"""LaMa of any width and depth. Spandrel's own reader expects those of the one published as `big-lama`."""

from __future__ import annotations

from spandrel import (
    MaskedImageModelDescriptor,
    SizeRequirements,
    StateDict,
    UnsupportedModelError,
    canonicalize_state_dict,
)
from spandrel.architectures.LaMa import LaMaArch
from spandrel.architectures.LaMa.__arch.LaMa import FFCResNetGenerator
from torch import Tensor, nn

ARCHITECTURE = LaMaArch()
FIRST = "model.model.1.ffc.convl2l.weight"
AROUND_BLOCKS = 17
"""Layers of the generator that are not residual blocks: padding, 4 ways in, joining, 3 × 3 ways out, padding, last."""


class LaMa(nn.Module):
    """The generator behind its mask: sees the picture without what is to be filled, and paints nothing else."""

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.model = FFCResNetGenerator(channels + 1, channels, ngf=width, n_blocks=blocks)

    def forward(self, picture: Tensor, mask: Tensor) -> Tensor:
        """[1, channels, height, width] in 0..1, filled where the mask [1, 1, height, width] is 1."""
        filled: Tensor = mask * self.model(picture * (1 - mask), mask) + (1 - mask) * picture
        return filled


def read_lama(state: StateDict) -> MaskedImageModelDescriptor[LaMa]:
    """The net of these weights, whose sizes tell its own. Raises spandrel's UnsupportedModelError."""
    state = canonicalize_state_dict(state)
    if not ARCHITECTURE.detect(state):
        raise UnsupportedModelError
    weights = {name.replace("generator.model", "model.model"): tensor for name, tensor in state.items()}
    width, inputs = weights[FIRST].shape[:2]
    layers = 1 + max(int(name.split(".")[2]) for name in weights)
    return MaskedImageModelDescriptor(
        LaMa(inputs - 1, width, layers - AROUND_BLOCKS),
        weights,
        architecture=ARCHITECTURE,
        purpose="Inpainting",
        tags=[],
        supports_half=False,
        supports_bfloat16=True,
        input_channels=inputs - 1,
        output_channels=inputs - 1,
        size_requirements=SizeRequirements(minimum=16, multiple_of=8),
    )
