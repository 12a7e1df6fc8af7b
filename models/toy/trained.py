"""The weights from `training`, shipped with the code in float16, one file for each net."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

FOLDER = Path(__file__).parent / "weights"


def fill(net: nn.Module, name: str) -> None:
    """Gives `net` the trained weights of this name, in its own precision.

    Raises RuntimeError if they are of another shape: a changed net must be trained again.
    """
    net.load_state_dict(weights(name))


def weights(name: str) -> dict[str, Tensor]:
    return load_file(FOLDER / f"{name}.safetensors")


def keep(tensors: Mapping[str, Tensor], name: str) -> None:
    """Saves these as the weights of this name."""
    FOLDER.mkdir(exist_ok=True)
    halves = {key: each.half() if each.is_floating_point() else each for key, each in tensors.items()}
    save_file({key: each.detach().contiguous() for key, each in halves.items()}, FOLDER / f"{name}.safetensors")
