"""Face detectors: MTCNN from a `.safetensors` file, CenterFace or YuNet from an `.onnx` file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from PIL import Image

from models.catalog.entry import ModelEntry
from models.imaging.masks import Box
from models.loaded_model import LoadedModel

LONGEST_SIDE = 1280
"""Larger images are shrunk to this side first, so that a detector's time and memory have a bound."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face in an image. Coordinates are pixels, and may lie outside of the image."""

    left: float
    top: float
    width: float
    height: float
    score: float
    """0..1: how certain the detector is."""

    @property
    def area(self) -> float:
        """In square pixels."""
        return self.width * self.height

    @property
    def rounded(self) -> list[float]:
        """x, y, width and height to a tenth of a pixel, and the score."""
        return [*(round(each, 1) for each in (self.left, self.top, self.width, self.height)), round(self.score, 4)]

    @property
    def centre(self) -> tuple[float, float]:
        """x and y."""
        return self.left + self.width / 2, self.top + self.height / 2

    def square(self, scale: float) -> Box:
        """A square around the same centre; its side is `scale` times the longer side of the face."""
        side = max(round(max(self.width, self.height) * scale), 1)
        left, top = (round(centre - side / 2) for centre in self.centre)
        return Box(left, top, left + side, top + side)

    def scaled(self, factor: float) -> Face:
        """The same face in an image `factor` times as large."""
        return Face(self.left * factor, self.top * factor, self.width * factor, self.height * factor, self.score)


class FaceNet(LoadedModel, Protocol):
    """A detector of one architecture."""

    def boxes(self, pixels: np.ndarray) -> np.ndarray:
        """The faces in uint8 RGB pixels [height, width, 3]: float [faces, 5], left, top, right, bottom and score."""
        ...


class FaceDetector:
    """A loaded detector."""

    def __init__(self, net: FaceNet) -> None:
        self._net = net
        self.name, self.family = net.name, net.family

    @property
    def device(self) -> torch.device:
        return self._net.device

    @property
    def bytes(self) -> int:
        """What the weights take, wherever they are."""
        return self._net.bytes

    def to(self, device: torch.device) -> None:
        """Moves the weights."""
        self._net.to(device)

    def find(self, pixels: np.ndarray) -> list[Face]:
        """The faces in uint8 RGB pixels [height, width, 3], the largest first. Raises NotFiniteError."""
        height, width = pixels.shape[:2]
        factor = max(height, width) / LONGEST_SIDE
        if factor > 1:
            size = max(round(width / factor), 1), max(round(height / factor), 1)
            pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
        return _largest_first(self._net.boxes(pixels), max(factor, 1.0))


def _largest_first(boxes: np.ndarray, factor: float) -> list[Face]:
    faces = [Face(left, top, right - left, bottom - top, score) for left, top, right, bottom, score in boxes.tolist()]
    return sorted((face.scaled(factor) for face in faces), key=lambda face: -face.area)


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> FaceDetector:
    """Raises WeightsError for a file that is no face detector. It computes in single precision."""
    from models.vision.face_onnx import OnnxFaceNet
    from models.vision.mtcnn import Mtcnn

    net: FaceNet = OnnxFaceNet(entry, device) if entry.path.suffix == ".onnx" else Mtcnn(entry)
    net.to(device)
    return FaceDetector(net)
