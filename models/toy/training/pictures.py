"""Drawings and captions as tensors: what everything of the toy family learns from."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from random import Random

import numpy as np
import torch
from torch import Tensor

from models.toy.drawing import draw, silhouette
from models.toy.world import Scene, scene_of

SIDE = 128


def scenes(count: int, seed: int, *, held_out: bool = False, alone: bool = False) -> list[Scene]:
    chance = Random(seed)
    return [scene_of(chance, held_out=held_out, alone=alone) for _ in range(count)]


def drawn(made_up: list[Scene], side: int = SIDE) -> Tensor:
    """The scenes as bytes [N, 3, side, side]."""
    with ProcessPoolExecutor(2) as pool:
        pictures = list(pool.map(partial(_pixels, side=side), made_up, chunksize=256))
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def silhouettes(made_up: list[Scene], side: int = SIDE) -> Tensor:
    """Where the scenes' things are, as bytes [N, 1, side, side]."""
    with ProcessPoolExecutor(2) as pool:
        shapes = list(pool.map(partial(_shape, side=side), made_up, chunksize=256))
    return torch.from_numpy(np.stack(shapes)).unsqueeze(1)


def signal(pixels: Tensor) -> Tensor:
    """Bytes as what a VAE takes, -1..1."""
    return pixels.float() / 127.5 - 1


def _pixels(scene: Scene, side: int) -> np.ndarray:
    return np.asarray(draw(scene, side))


def _shape(scene: Scene, side: int) -> np.ndarray:
    return np.asarray(silhouette(scene, side))
