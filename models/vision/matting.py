"""Matting: ONNX nets that predict for each pixel of an image how much of it belongs to the main object.

U²-Net (Qin et al., 2020), IS-Net (Qin et al., 2022) and BiRefNet (Zheng et al., 2024) differ in the size and the
normalisation of their input, and in whether they return opacities or logits.
"""

from __future__ import annotations

import numpy as np
import onnxruntime
import torch
from PIL import Image

from models.catalog.entry import ModelEntry
from models.finite import NotFiniteError
from models.imaging.pixels import resize
from models.vision.onnx_session import open_session
from models.vision.spandrel_net import NetError

NORMALIZATIONS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "centred": ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0)),
}
"""Mean and standard deviation of the colours, by which pixels in 0..1 are normalised."""
INPUT_TYPES = frozenset({"tensor(float)", "tensor(float16)"})
SMALL_SIZE = 320
"""The input size of U²-Net. Nets of this size expect ImageNet's normalisation, larger ones mostly values around 0."""
DEFAULT_SIZE = 1024
"""The input size for nets that take any: what most of them were trained at."""
MIN_CONTRAST = 0.5
"""A mask with a smaller range of opacities shows no object, and its contrast is not raised."""


class Matting:
    """A net that finds the main object of an image. It computes in the precision of its file."""

    def __init__(self, entry: ModelEntry, device: torch.device) -> None:
        self.name = entry.name
        self.family: str = entry.family
        self.device = device
        self.bytes = entry.bytes
        self._entry = entry
        self._session = _open_session(entry, device)
        (net_input,) = self._session.get_inputs()
        self._input_name = net_input.name
        self._dtype = np.float16 if "float16" in net_input.type else np.float32
        self._height, self._width = (side if isinstance(side, int) else DEFAULT_SIZE for side in net_input.shape[2:])
        default = "imagenet" if self._height <= SMALL_SIZE else "centred"
        self._mean, self._deviation = np.array(NORMALIZATIONS[entry.normalize or default], np.float32)

    def to(self, device: torch.device) -> None:
        """Opens a new session on the device, for a session cannot move."""
        if device.type != self.device.type:
            self._session = _open_session(self._entry, device)
        self.device = device

    def alpha(self, pixels: np.ndarray) -> np.ndarray:
        """The opacity of the object, uint8 [height, width], in RGB pixels [height, width, 3]. Raises NotFiniteError."""
        resized = Image.fromarray(pixels).resize((self._width, self._height), Image.Resampling.BILINEAR)
        planes = (np.asarray(resized, np.float32) / 255 - self._mean) / self._deviation
        first = self._session.get_outputs()[0].name
        (output,) = self._session.run([first], {self._input_name: planes.transpose(2, 0, 1)[None].astype(self._dtype)})
        opacity = _to_opacity(np.asarray(output, np.float32)[0, 0])
        if not np.isfinite(opacity).all():
            raise NotFiniteError(f"matting model {self.name!r} returned NaN")
        return resize(np.rint(opacity * 255).astype(np.uint8), pixels.shape[1], pixels.shape[0])


def _to_opacity(output: np.ndarray) -> np.ndarray:
    """Logits or opacities as opacities in 0..1, stretched to the whole range if there is an object."""
    if output.min() < -1e-3 or output.max() > 1 + 1e-3:
        output = np.reciprocal(1 + np.exp(-output.clip(-30, 30)))
    low, high = float(output.min()), float(output.max())
    if high - low > MIN_CONTRAST:
        output = (output - low) / (high - low)
    return output.clip(0, 1)


def _open_session(entry: ModelEntry, device: torch.device) -> onnxruntime.InferenceSession:
    """The session of a matting net. Raises NetError."""
    session = open_session(entry, device)
    shapes = [net_input.shape for net_input in session.get_inputs()]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][1] != 3:
        raise NetError(
            f"{entry.path.name} takes inputs of shape {shapes}, not one image [1, 3, height, width]; give a net such "
            "as U²-Net, IS-Net or BiRefNet"
        )
    kind, output = session.get_inputs()[0].type, session.get_outputs()[0].shape
    if kind not in INPUT_TYPES or (output and len(output) != 4):
        raise NetError(
            f"{entry.path.name} takes {kind} and returns a mask of shape {output}, but float or float16 and a mask "
            "[1, 1, height, width] are needed; give a net that is not quantised, such as U²-Net, IS-Net or BiRefNet"
        )
    return session


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Matting:
    """Raises NetError for a file that is not a matting net."""
    return Matting(entry, device)
