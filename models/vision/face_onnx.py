"""Face detectors as ONNX nets, told apart by their outputs: CenterFace has 4, YuNet 12.

Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019. Wu et al., "YuNet: A Tiny
Millisecond-level Face Detector", 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from PIL import Image
from torchvision.ops import nms

from models.catalog.entry import ModelEntry
from models.finite import NotFiniteError
from models.vision.onnx_session import open_session
from models.vision.spandrel_net import NetError

MULTIPLE = 32
"""Nets of any input size take sides of multiples of this."""
SAME = 0.3
"""Boxes that overlap more are of one face."""
CENTERFACE_STRIDE, CENTERFACE_SCORE, CENTERFACE_OUTPUTS = 4, 0.5, 4
YUNET_STRIDES, YUNET_SCORE = (8, 16, 32), 0.6
YUNET_OUTPUTS = frozenset(f"{name}_{stride}" for name in ("cls", "obj", "bbox", "kps") for stride in YUNET_STRIDES)
Outputs = Mapping[str, np.ndarray]
"""The outputs of a net for one image, in the order of the file."""


class OnnxFaceNet:
    """A loaded ONNX net that finds faces."""

    def __init__(self, entry: ModelEntry, device: torch.device) -> None:
        """Raises NetError."""
        self.name = entry.name
        self.family: str = entry.family
        self.device = device
        self.bytes = entry.bytes
        self._entry = entry
        self._session = open_session(entry, device)
        net_input = self._session.get_inputs()[0]
        self._input = net_input.name
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._decode = _decoder(entry, net_input.shape, self._outputs)
        self._sides = [side if isinstance(side, int) else None for side in net_input.shape[2:]]

    def to(self, device: torch.device) -> None:
        """Opens a new session on the device, for a session cannot move."""
        if device.type != self.device.type:
            self._session = open_session(self._entry, device)
        self.device = device

    def boxes(self, pixels: np.ndarray) -> np.ndarray:
        """The faces in uint8 RGB pixels [height, width, 3]: float [faces, 5], left, top, right, bottom and score.

        Raises NotFiniteError.
        """
        canvas, factor = self._canvas(pixels)
        colours = canvas[:, :, ::-1] if self._decode is yunet_boxes else canvas
        planes = np.ascontiguousarray(colours.transpose(2, 0, 1)[None], np.float32)
        outputs = [np.asarray(each, np.float32) for each in self._session.run(self._outputs, {self._input: planes})]
        if not all(np.isfinite(each).all() for each in outputs):
            raise NotFiniteError(f"face detector {self.name!r} returned NaN or infinity")
        boxes = self._decode(dict(zip(self._outputs, outputs, strict=True)), canvas.shape[1])
        boxes[:, :4] /= factor
        kept = nms(torch.from_numpy(boxes[:, :4].copy()), torch.from_numpy(boxes[:, 4].copy()), SAME)
        best: np.ndarray = boxes[kept.numpy()]
        return best

    def _canvas(self, pixels: np.ndarray) -> tuple[np.ndarray, float]:
        """Pixels of a size that the net takes, black where the image ends, and by which factor it was resized."""
        height, width = pixels.shape[:2]
        rows, columns = (
            side or -(-length // MULTIPLE) * MULTIPLE for side, length in zip(self._sides, (height, width), strict=True)
        )
        factor = (
            min(rows / height, columns / width, 1.0) if None in self._sides else min(rows / height, columns / width)
        )
        size = max(round(width * factor), 1), max(round(height * factor), 1)
        canvas = np.zeros((rows, columns, 3), np.uint8)
        canvas[: size[1], : size[0]] = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
        return canvas, factor


def centerface_boxes(outputs: Outputs, width: int) -> np.ndarray:
    """Boxes and scores, float32 [faces, 5], of CenterFace's maps: centres, the logarithms of sizes, and offsets."""
    centres, sizes, offsets = (each[0] for each in list(outputs.values())[:3])
    rows, columns = np.nonzero(centres[0] > CENTERFACE_SCORE)
    high, wide = np.exp(sizes[:, rows, columns]) * CENTERFACE_STRIDE
    down, right = offsets[:, rows, columns]
    x, y = (columns + right + 0.5) * CENTERFACE_STRIDE, (rows + down + 0.5) * CENTERFACE_STRIDE
    return _boxes(x, y, wide, high, centres[0, rows, columns])


def yunet_boxes(outputs: Outputs, width: int) -> np.ndarray:
    """Boxes and scores, float32 [faces, 5], of YuNet's lists of cells: one list per stride, row by row."""
    found = []
    for stride in YUNET_STRIDES:
        scores, objects, cells = (outputs[f"{name}_{stride}"][0] for name in ("cls", "obj", "bbox"))
        certain = np.sqrt(scores[:, 0].clip(0, 1) * objects[:, 0].clip(0, 1))
        index = np.nonzero(certain >= YUNET_SCORE)[0]
        rows, columns = np.divmod(index, width // stride)
        right, down, wide, high = cells[index].T
        sizes = np.exp(wide) * stride, np.exp(high) * stride
        found.append(_boxes((columns + right) * stride, (rows + down) * stride, *sizes, certain[index]))
    return np.concatenate(found)


def _boxes(x: np.ndarray, y: np.ndarray, wide: np.ndarray, high: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Rows of left, top, right, bottom and score, from centres and sizes."""
    corners = [x - wide / 2, y - high / 2, x + wide / 2, y + high / 2]
    rows: np.ndarray = np.stack([*corners, scores], 1).astype(np.float32)
    return rows


def _decoder(entry: ModelEntry, shape: list[object], outputs: list[str]) -> Callable[[Outputs, int], np.ndarray]:
    """What reads the outputs of a net with these names. Raises NetError."""
    if len(shape) != 4 or shape[1] != 3 or (isinstance(shape[0], int) and shape[0] != 1):
        raise NetError(
            f"{entry.path.name} takes inputs of shape {shape}, not one image [1, 3, height, width]; write CenterFace "
            "with `hua models convert-face`"
        )
    if len(outputs) == CENTERFACE_OUTPUTS:
        return centerface_boxes
    if set(outputs) == YUNET_OUTPUTS:
        return yunet_boxes
    raise NetError(
        f"{entry.path.name} has {len(outputs)} outputs; give CenterFace, which has 4, or YuNet, which has 12"
    )
