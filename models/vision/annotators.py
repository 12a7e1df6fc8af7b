"""Annotators: nets that draw a control map of a picture. The code of most is controlnet_aux's, imported when used.

Softedge: Xie and Tu, "Holistically-Nested Edge Detection", 2015; Su et al., "Pixel Difference Networks", 2021.
Lines: Gu et al., "Towards Light-weight and Real-time Line Segment Detection", 2022; Chan, Durand and Isola,
"Learning to generate line drawings that convey geometry and semantics", 2022. Poses: Cao et al., "OpenPose", 2019.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from models.catalog.entry import ModelEntry
from models.imaging.pixels import broadened
from models.vision.control_maps import Drawing
from models.vision.depth import depth_map, normal_map, read_depth_net
from models.weights import WeightsError

LONGEST = 8
"""How much longer than wide a picture is looked at: nets enlarge its shorter side, and of a line a few pixels wide they
would make more than any device has room for."""

Draw = Callable[[np.ndarray, Drawing], np.ndarray]
"""Draws the map of uint8 RGB pixels [height, width, 3], as uint8 RGB of any size."""


@dataclass(frozen=True, slots=True)
class Trade:
    """A net that can draw, and how it is asked to."""

    net: nn.Module
    draw: Draw


class Annotator:
    """A net that draws maps of one kind. It computes in float32: it runs once a task."""

    def __init__(self, entry: ModelEntry, trade: Trade) -> None:
        self.name = entry.name
        self.family: str = entry.family
        self.hint = entry.hint
        self.device = torch.device("cpu")
        self._trade = trade
        trade.net.float().eval().requires_grad_(False)

    @property
    def bytes(self) -> int:
        """What the weights take, wherever they are."""
        net = self._trade.net
        return sum(tensor.nbytes for tensor in (*net.parameters(), *net.buffers()))

    def to(self, device: torch.device) -> None:
        self._trade.net.to(device)
        self.device = device

    @torch.inference_mode()
    def annotate(self, pixels: np.ndarray, drawing: Drawing) -> np.ndarray:
        """The map of uint8 RGB pixels [height, width, 3], uint8 RGB of the same size."""
        made = self._trade.draw(broadened(pixels, LONGEST), drawing)
        if made.shape == pixels.shape:
            return made
        height, width = pixels.shape[:2]
        return cv2.resize(made, (width, height), interpolation=cv2.INTER_LINEAR)


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Annotator:
    """Raises WeightsError for a hint that no net is known for, or weights that do not fit it."""
    read = _READERS.get(entry.hint or "")
    if read is None:
        raise WeightsError(
            f"{entry.name}: no annotator for {entry.hint!r} maps is known, only for {', '.join(_READERS)}; take the "
            "entry out, and let callers send finished maps with bypass_annotator"
        )
    annotator = Annotator(entry, read(entry))
    annotator.to(device)
    return annotator


def _softedge(entry: ModelEntry) -> Trade:
    """HED (`ControlNetHED`), or PidiNet (`table5_pidinet`), whose every key stands in a `module`."""
    weights = _weights(entry)
    if "block1.convs.0.weight" in weights:
        borrowed = _borrowed("hed")
        return _detector(borrowed.HEDdetector, _filled(borrowed.ControlNetHED_Apache2(), weights, entry))
    borrowed = _borrowed("pidi")
    plain = {name.removeprefix("module."): tensor for name, tensor in weights.items()}
    return _detector(borrowed.PidiNetDetector, _filled(borrowed.pidinet(), plain, entry))


def _lineart(entry: ModelEntry) -> Trade:
    borrowed = _borrowed("lineart")
    net = _filled(borrowed.Generator(3, 1, 3), _weights(entry), entry)
    return _detector(lambda net: borrowed.LineartDetector(net, net), net)


def _mlsd(entry: ModelEntry) -> Trade:
    borrowed = _borrowed("mlsd")
    net = _filled(borrowed.MobileV2_MLSD_Large(), _weights(entry), entry)
    return _detector(borrowed.MLSDdetector, net, lambda drawing: {"thr_v": drawing.value, "thr_d": drawing.distance})


def _pose(entry: ModelEntry) -> Trade:
    """The bodies of OpenPose (`body_pose_model`), without hands and faces."""
    borrowed = _borrowed("open_pose")
    net = borrowed.body.bodypose_model()
    layers = {name.split(".", 1)[1]: name for name in net.state_dict()}
    weights = {layers.get(name, name): tensor for name, tensor in _weights(entry).items()}
    body = object.__new__(borrowed.Body)  # its own initialiser opens a pickle
    body.model = _filled(net, weights, entry)
    return _detector(lambda _: borrowed.OpenposeDetector(body), net)


def _depth(entry: ModelEntry) -> Trade:
    net = read_depth_net(entry.path)
    return Trade(net, lambda pixels, _: depth_map(net.depth(pixels)))


def _normal(entry: ModelEntry) -> Trade:
    net = read_depth_net(entry.path)
    return Trade(net, lambda pixels, _: normal_map(net.depth(pixels)))


_READERS: Mapping[str, Callable[[ModelEntry], Trade]] = {
    "softedge": _softedge,
    "lineart": _lineart,
    "mlsd": _mlsd,
    "pose": _pose,
    "depth": _depth,
    "normal": _normal,
}


def _borrowed(module: str) -> Any:
    """A part of controlnet_aux, which warns when it is imported of parts that are not installed or go away."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(f"controlnet_aux.{module}")


def _weights(entry: ModelEntry) -> dict[str, Tensor]:
    if not entry.path.is_file():
        raise WeightsError(f"{entry.path} is a folder; an annotator of {entry.hint} maps is one .safetensors file")
    return load_file(entry.path)


def _filled(net: nn.Module, weights: dict[str, Tensor], entry: ModelEntry) -> nn.Module:
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise WeightsError(
            f"{entry.path.name} does not fit the net that draws {entry.hint} maps; docs/models.md names the published "
            f"file, of which the bare weights are wanted: {error}"
        ) from error
    return net


def _detector(
    kind: Callable[[nn.Module], Any], net: nn.Module, options: Callable[[Drawing], dict[str, Any]] = lambda _: {}
) -> Trade:
    """A detector of controlnet_aux around its net."""
    detector = kind(net)

    def draw(pixels: np.ndarray, drawing: Drawing) -> np.ndarray:
        size = {"detect_resolution": drawing.resolution, "image_resolution": drawing.resolution}
        made: np.ndarray = detector(pixels, output_type="np", **size, **options(drawing))
        return made

    return Trade(net, draw)
