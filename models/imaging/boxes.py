"""Arithmetic of boxes [n, 4]: left, top, right, bottom, in pixels counted from 1, as MTCNN's nets were trained."""

from __future__ import annotations

import torch
from torch import Tensor


def squares(boxes: Tensor) -> Tensor:
    """Squares around the same centres, with the longer sides."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    sides = sizes.amax(1, keepdim=True)
    corners = boxes[:, :2] + sizes / 2 - sides / 2
    return torch.cat([corners, corners + sides], 1)


def moved(boxes: Tensor, corrections: Tensor, border: int) -> Tensor:
    """Each side moved by a fraction of the box's size. `border` is 1 where a box includes its last pixel."""
    sizes = boxes[:, 2:] - boxes[:, :2] + border
    return boxes + corrections * sizes.repeat(1, 2)


def cropped(planes: Tensor, box: Tensor) -> Tensor | None:
    """The part of planes [1, channels, h, w] inside a box [4]; None for a box without a pixel of them."""
    height, width = planes.shape[2:]
    left, top, right, bottom = (int(side) for side in box)
    crop = planes[:, :, max(top, 1) - 1 : min(bottom, height), max(left, 1) - 1 : min(right, width)]
    return crop if right > 0 and bottom > 0 and crop.numel() else None


def overlaps_of_smaller(boxes: Tensor, scores: Tensor, most: float) -> Tensor:
    """The indices of the boxes to keep, the best first: none covers more than `most` of the smaller one of a pair.

    So a box inside a larger one is of the same face.
    """
    areas = (boxes[:, 2:] - boxes[:, :2] + 1).prod(1)
    order, kept = scores.argsort(descending=True), []
    while len(order):
        best, others = order[0], order[1:]
        kept.append(best)
        shared = torch.minimum(boxes[others, 2:], boxes[best, 2:]) - torch.maximum(boxes[others, :2], boxes[best, :2])
        overlap = (shared + 1).clamp(min=0).prod(1) / torch.minimum(areas[others], areas[best])
        order = others[overlap <= most]
    return torch.stack(kept) if kept else order
