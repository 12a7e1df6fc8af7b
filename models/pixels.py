"""What recipes do to uint8 pixels [height, width, channels] before and after the latents."""

from __future__ import annotations

import numpy as np
from PIL import Image

Pixels = np.ndarray
SHORTEST = 64


def snapped(width: int, height: int, longest: int) -> tuple[int, int]:
    """The size nearest to `width` × `height` that can be generated: no side above `longest`, each a multiple of 8."""
    scale = min(1.0, longest / max(width, height))
    limit = longest // 8 * 8
    return tuple(min(max(round(side * scale / 8) * 8, SHORTEST), max(limit, SHORTEST)) for side in (width, height))  # type: ignore[return-value]


def resized(pixels: Pixels, width: int, height: int) -> Pixels:
    """Lanczos, and the very same array if the size is right already."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def flattened(pixels: Pixels) -> tuple[Pixels, Pixels | None]:
    """RGB over white, and the alpha plane [height, width] if there was one."""
    if pixels.shape[2] == 3:
        return pixels, None
    alpha = pixels[:, :, 3]
    weight = alpha[:, :, None].astype(np.uint16)
    over_white = (pixels[:, :, :3] * weight + 255 * (255 - weight) + 127) // 255
    return over_white.astype(np.uint8), alpha


def with_alpha(pixels: Pixels, alpha: Pixels) -> Pixels:
    """RGBA of RGB pixels and an alpha plane, which is resized to fit."""
    height, width = pixels.shape[:2]
    return np.dstack([pixels, resized(alpha, width, height)])
