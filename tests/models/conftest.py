"""Toy checkpoints, loaded by us and by diffusers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline

from models import catalog
from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.kinds import CHECKPOINT_FAMILIES
from models.loaded_model import LoadedModel
from models.registry import loaders
from tests.support import ldm_layout

CPU = torch.device("cpu")


class Draws:
    """Noise from a seed."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def gaussian(self, shape: Sequence[int]) -> torch.Tensor:
        return torch.randn(tuple(shape), generator=self._generator)


@pytest.fixture(scope="session")
def toys(models_dir: Path) -> Catalog:
    return catalog.read(models_dir)


def plain(toys: Catalog) -> list[ModelEntry]:
    """The toy checkpoints that are not for inpainting, one of each family."""
    checkpoints = (entry for entry in toys if entry.family in CHECKPOINT_FAMILIES)
    return [entry for entry in checkpoints if not entry.name.endswith("-inpainting")]


@pytest.fixture(scope="session")
def checkpoints(toys: Catalog) -> dict[str, LoadedModel]:
    return {entry.family: loaders.load(entry, CPU, torch.float32) for entry in plain(toys)}


@pytest.fixture(scope="session")
def stock(toys: Catalog) -> dict[str, Any]:
    """The reference pipelines, by family."""
    return {entry.family: DiffusionPipeline.from_pretrained(entry.path, local_files_only=True) for entry in plain(toys)}


@pytest.fixture
def draws() -> Callable[[int], Draws]:
    return Draws


@pytest.fixture(autouse=True)
def without_gradients_and_seeded() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


@pytest.fixture(scope="session")
def write_single_file() -> Callable[[Path, Path], None]:
    """(folder, file): writes a diffusers folder as one file in the layout of latent diffusion."""
    return ldm_layout.write_single_file
