"""LaMa of any width and depth. The reader of spandrel accepts only the sizes of the published `big-lama`."""

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
FIRST_LAYER = "model.model.1.ffc.convl2l.weight"
OTHER_LAYERS = 17
"""Layers of the generator that are not residual blocks: padding, 4 down, join, 3 × 3 up, padding, output."""


class LaMa(nn.Module):
    """The generator with its mask: it gets the image without the masked area, and changes nothing outside of it."""

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.model = FFCResNetGenerator(channels + 1, channels, ngf=width, n_blocks=blocks)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """[1, channels, height, width] in 0..1, filled where the mask [1, 1, height, width] is 1."""
        filled: Tensor = mask * self.model(image * (1 - mask), mask) + (1 - mask) * image
        return filled


def read_lama(state: StateDict) -> MaskedImageModelDescriptor[LaMa]:
    """The net of these weights, whose shapes tell its width and depth. Raises UnsupportedModelError of spandrel."""
    state = canonicalize_state_dict(state)
    if not ARCHITECTURE.detect(state):
        raise UnsupportedModelError
    weights = {name.replace("generator.model", "model.model"): tensor for name, tensor in state.items()}
    width, in_channels = weights[FIRST_LAYER].shape[:2]
    layers = 1 + max(int(name.split(".")[2]) for name in weights)
    return MaskedImageModelDescriptor(
        LaMa(in_channels - 1, width, layers - OTHER_LAYERS),
        weights,
        architecture=ARCHITECTURE,
        purpose="Inpainting",
        tags=[],
        supports_half=False,
        supports_bfloat16=True,
        input_channels=in_channels - 1,
        output_channels=in_channels - 1,
        size_requirements=SizeRequirements(minimum=16, multiple_of=8),
    )
