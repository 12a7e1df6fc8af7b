"""Cutting objects out of their background: ONNX nets that say of each pixel how much of it belongs to the object.

U²-Net (Qin et al., 2020), IS-Net (Qin et al., 2022) and BiRefNet (Zheng et al., 2024) differ in the size and the scale
of the pixels that they are shown, and in whether they answer shares or logits.
"""

from __future__ import annotations

import numpy as np
import onnxruntime
import torch
from PIL import Image

from models.catalog.entry import ModelEntry
from models.imaging.pixels import resized
from models.vision.spandrel_net import NetError

SCALES = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "centred": ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0)),
}
"""Mean and deviation of the colours, by which pixels in 0..1 are normalised."""
SMALL = 320
"""U²-Net's side; nets of this size were trained on ImageNet's scale, and larger ones mostly around 0."""
ANY_SIDE = 1024
"""For nets that take any size: what they were trained at, mostly."""
SURE = 0.5
"""A mask whose shares differ by less shows no object, and its contrast is not raised."""


class Matting:
    """A net that finds what a picture is about. It computes in what precision its file says."""

    def __init__(self, entry: ModelEntry, device: torch.device) -> None:
        self.name = entry.name
        self.family: str = entry.family
        self.device = device
        self.bytes = entry.bytes
        self._entry = entry
        self._session = _session(entry, device)
        (given,) = self._session.get_inputs()
        self._input = given.name
        self._dtype = np.float16 if "float16" in given.type else np.float32
        self._height, self._width = (side if isinstance(side, int) else ANY_SIDE for side in given.shape[2:])
        usual = "imagenet" if self._height <= SMALL else "centred"
        self._mean, self._deviation = np.array(SCALES[entry.normalize or usual], np.float32)

    def to(self, device: torch.device) -> None:
        """A session cannot move: another one is opened where it is to be."""
        if device.type != self.device.type:
            self._session = _session(self._entry, device)
        self.device = device

    def alpha(self, pixels: np.ndarray) -> np.ndarray:
        """How opaque the object is, uint8 [height, width], in RGB pixels [height, width, 3]."""
        small = Image.fromarray(pixels).resize((self._width, self._height), Image.Resampling.BILINEAR)
        planes = (np.asarray(small, np.float32) / 255 - self._mean) / self._deviation
        first = self._session.get_outputs()[0].name
        (answer,) = self._session.run([first], {self._input: planes.transpose(2, 0, 1)[None].astype(self._dtype)})
        plane = np.rint(_shares(np.asarray(answer, np.float32)[0, 0]) * 255).astype(np.uint8)
        return resized(plane, pixels.shape[1], pixels.shape[0])


def _shares(answer: np.ndarray) -> np.ndarray:
    """Logits or shares as shares in 0..1, stretched to the whole range if there is an object."""
    if answer.min() < -1e-3 or answer.max() > 1 + 1e-3:
        answer = np.reciprocal(1 + np.exp(-answer.clip(-30, 30)))
    low, high = float(answer.min()), float(answer.max())
    if high - low > SURE:
        answer = (answer - low) / (high - low)
    return answer.clip(0, 1)


def _session(entry: ModelEntry, device: torch.device) -> onnxruntime.InferenceSession:
    """On CUDA only if onnxruntime was built for it. Raises NetError."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that spin while they wait slow a busy machine down.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    wanted = ["CUDAExecutionProvider"] * (device.type == "cuda") + ["CPUExecutionProvider"]
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    try:
        session = onnxruntime.InferenceSession(entry.path, options, providers=providers)
    except Exception as error:  # onnxruntime's errors have no class in common
        raise NetError(f"{entry.path.name} cannot be read as an ONNX net: {error}") from error
    shapes = [given.shape for given in session.get_inputs()]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][1] != 3:
        raise NetError(
            f"{entry.path.name} takes inputs of shape {shapes}, not one picture [1, 3, height, width]; give a net such "
            "as U²-Net, IS-Net or BiRefNet"
        )
    return session


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Matting:
    """Raises NetError for a file that holds no such net."""
    return Matting(entry, device)
