"""MTCNN finds faces with three small nets: the first proposes boxes, the next two refuse and correct them.

Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks", 2016. Weights have
the names that facenet-pytorch gives them, below `pnet.`, `rnet.` and `onet.`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.ops import nms

from models.catalog.entry import ModelEntry
from models.finite import require_finite
from models.imaging.boxes import cropped, moved, overlaps_of_smaller, squares
from models.loaded_model import TorchModel
from models.loading.fill import fill
from models.loading.tensors import read_tensors

MIN_FACE, PYRAMID_STEP = 20, 0.709
"""The side of the smallest face in pixels, and the ratio of two sizes at which the image is searched."""
CELL, STRIDE = 12, 2
"""P-Net looks at squares of 12 pixels, 2 pixels apart."""
PROPOSED, REFINED, ACCEPTED = 0.6, 0.7, 0.7
"""The least scores of the three nets."""
SAME_AT_ONE_SIZE, SAME = 0.5, 0.7
"""Boxes that overlap more are of one face."""
CROPS_AT_ONCE = 512


class _Trunk(nn.Module):
    """Convolutions with PReLU, each but the last one before a pooling; then a dense layer for R-Net and O-Net."""

    def __init__(self, widths: Sequence[int], kernels: Sequence[int], pools: Sequence[int], dense: int = 0) -> None:
        super().__init__()
        self._pools = pools
        for number, (width, kernel) in enumerate(zip(widths, kernels, strict=True), start=1):
            channels = widths[number - 2] if number > 1 else 3
            self.add_module(f"conv{number}", nn.Conv2d(channels, width, kernel))
            self.add_module(f"prelu{number}", nn.PReLU(width))
        if dense:
            number = len(widths) + 1
            self.add_module(f"dense{number}", nn.Linear(widths[-1] * 9, dense))
            self.add_module(f"prelu{number}", nn.PReLU(dense))

    def features(self, planes: Tensor) -> Tensor:
        for number, pool in enumerate(self._pools, start=1):
            planes = self.get_submodule(f"prelu{number}")(self.get_submodule(f"conv{number}")(planes))
            if pool:
                planes = nn.functional.max_pool2d(planes, pool, 2, ceil_mode=True)
        return planes

    def dense_features(self, planes: Tensor) -> Tensor:
        # The weights come from a framework that stores images by columns.
        flat = self.features(planes).permute(0, 3, 2, 1).flatten(1)
        number = len(self._pools) + 1
        values: Tensor = self.get_submodule(f"prelu{number}")(self.get_submodule(f"dense{number}")(flat))
        return values


class PNet(_Trunk):
    """Planes [1, 3, h, w] to the scores [h', w'] and corrections [4, h', w'] of squares of 12 pixels."""

    def __init__(self) -> None:
        super().__init__((10, 16, 32), (3, 3, 3), (2, 0, 0))
        self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(planes)
        return self.conv4_1(features).softmax(1)[0, 1], self.conv4_2(features)[0]


class RNet(_Trunk):
    """Crops [n, 3, 24, 24] to scores [n] and corrections [n, 4]."""

    side = 24

    def __init__(self) -> None:
        super().__init__((28, 48, 64), (3, 3, 2), (3, 3, 0), dense=128)
        self.dense5_1, self.dense5_2 = nn.Linear(128, 2), nn.Linear(128, 4)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        features = self.dense_features(crops)
        return self.dense5_1(features).softmax(1)[:, 1], self.dense5_2(features)


class ONet(_Trunk):
    """Crops [n, 3, 48, 48] to scores [n] and corrections [n, 4]. Its landmarks are not used."""

    side = 48

    def __init__(self) -> None:
        super().__init__((32, 64, 64, 128), (3, 3, 3, 2), (3, 3, 2, 0), dense=256)
        self.dense6_1, self.dense6_2, self.dense6_3 = nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        features = self.dense_features(crops)
        return self.dense6_1(features).softmax(1)[:, 1], self.dense6_2(features)


class Cascade(nn.Module):
    """The three nets."""

    def __init__(self) -> None:
        super().__init__()
        self.pnet, self.rnet, self.onet = PNet(), RNet(), ONet()


class Mtcnn(TorchModel):
    """A loaded MTCNN. It computes in single precision."""

    def __init__(self, entry: ModelEntry) -> None:
        """Raises WeightsError."""
        with torch.device("meta"):
            self._cascade = Cascade()
        fill(self._cascade, read_tensors(entry.path), torch.float32, entry.path.name)
        super().__init__(entry, self._cascade)

    @torch.inference_mode()
    def boxes(self, pixels: np.ndarray) -> np.ndarray:
        """The faces in uint8 RGB pixels [height, width, 3]: float [faces, 5], left, top, right, bottom and score.

        Raises NotFiniteError.
        """
        planes = torch.from_numpy(pixels.copy()).to(self.device).permute(2, 0, 1)[None].float()
        boxes, scores = self._proposals(planes)
        boxes, scores, corrections = self._judged(self._cascade.rnet, planes, squares(boxes), REFINED)
        kept = nms(boxes, scores, SAME)
        boxes = squares(moved(boxes[kept], corrections[kept], 1))
        boxes, scores, corrections = self._judged(self._cascade.onet, planes, boxes, ACCEPTED)
        boxes = moved(boxes, corrections, 1)
        kept = overlaps_of_smaller(boxes, scores, SAME)
        return torch.cat([boxes[kept], scores[kept, None]], 1).cpu().numpy()

    def _proposals(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """The boxes [n, 4] and scores [n] of P-Net in the image at all its sizes."""
        found = [self._proposals_at(planes, scale) for scale in _scales(*planes.shape[2:])]
        if not found:
            return planes.new_zeros((0, 4)), planes.new_zeros(0)
        boxes, scores, corrections = map(torch.cat, zip(*found, strict=True))
        kept = nms(boxes, scores, SAME)
        return moved(boxes[kept], corrections[kept], 0), scores[kept]

    def _proposals_at(self, planes: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor]:
        height, width = planes.shape[2:]
        size = int(height * scale + 1), int(width * scale + 1)
        scores, corrections = self._cascade.pnet(_normalized(interpolate(planes, size, mode="area")))
        require_finite(f"model {self.name!r} of family {self.family}", scores)
        rows, columns = torch.nonzero(scores >= PROPOSED, as_tuple=True)
        corners = torch.stack([columns, rows], 1).float() * STRIDE
        boxes = torch.cat([(corners + 1) / scale, (corners + CELL) / scale], 1).floor()
        scores, corrections = scores[rows, columns], corrections[:, rows, columns].T
        kept = nms(boxes, scores, SAME_AT_ONE_SIZE)
        return boxes[kept], scores[kept], corrections[kept]

    def _judged(self, net: RNet | ONet, planes: Tensor, boxes: Tensor, least: float) -> tuple[Tensor, Tensor, Tensor]:
        """The boxes to which a net gives at least this score, their scores and their corrections."""
        crops = [(box, crop) for box in boxes if (crop := cropped(planes, box)) is not None]
        if not crops:
            return boxes[:0], boxes.new_zeros(0), boxes[:0]
        inputs = [_normalized(interpolate(crop, (net.side, net.side), mode="area")) for _, crop in crops]
        parts = [
            net(torch.cat(inputs[first : first + CROPS_AT_ONCE])) for first in range(0, len(inputs), CROPS_AT_ONCE)
        ]
        scores, corrections = map(torch.cat, zip(*parts, strict=True))
        kept = scores > least
        return torch.stack([box for box, _ in crops])[kept], scores[kept], corrections[kept]


def _normalized(planes: Tensor) -> Tensor:
    return (planes - 127.5) / 128


def _scales(height: int, width: int) -> Iterator[float]:
    """The factors by which the image is resized, so that faces of all sizes fill the squares of P-Net."""
    scale = CELL / MIN_FACE
    while min(height, width) * scale >= CELL:
        yield scale
        scale *= PYRAMID_STEP
