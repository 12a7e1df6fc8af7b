"""Annotators: nets that draw a control map of an image. Most are nets of controlnet_aux, imported when they are used.

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
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from models.catalog.entry import ModelEntry
from models.files.weights_error import WeightsError
from models.finite import require_finite
from models.imaging.pixels import limit_aspect
from models.loaded_model import TorchModel
from models.loading.fill import fill
from models.loading.tensors import read_tensors
from models.vision.control_maps import DrawOptions
from models.vision.depth import depth_map, normal_map, read_depth_net

MAX_RATIO = 8
"""How many times longer than the other a side may be; a thinner image is stretched first: nets enlarge the shorter
side, so that a line a few pixels wide would become larger than any device memory."""

DrawMap = Callable[[np.ndarray, DrawOptions], np.ndarray]
"""Returns the map of uint8 RGB pixels [height, width, 3], as uint8 RGB of any size."""


@dataclass(frozen=True, slots=True)
class MapDrawer:
    """A net, and the function that draws maps with it."""

    net: nn.Module
    draw: DrawMap


class Annotator(TorchModel):
    """A net that draws maps of one kind. It computes in float32, for it runs once a task."""

    def __init__(self, entry: ModelEntry, drawer: MapDrawer) -> None:
        super().__init__(entry, drawer.net.float())
        self.hint = entry.hint
        self._draw = drawer.draw

    @torch.inference_mode()
    def annotate(self, pixels: np.ndarray, options: DrawOptions) -> np.ndarray:
        """The map of uint8 RGB pixels [height, width, 3], uint8 RGB of the same size. Raises
        NotFiniteError."""
        drawn = self._draw(limit_aspect(pixels, MAX_RATIO), options)
        if drawn.shape == pixels.shape:
            return drawn
        height, width = pixels.shape[:2]
        return cv2.resize(drawn, (width, height), interpolation=cv2.INTER_LINEAR)


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Annotator:
    """Raises WeightsError for a hint without a known net, or for weights that do not fit the net."""
    read = _READERS.get(entry.hint or "")
    if read is None:
        raise WeightsError(
            f"{entry.name}: there is no annotator for {entry.hint!r} maps, only for {', '.join(_READERS)}; remove the "
            "entry, and let callers send finished maps with bypass_annotator"
        )
    annotator = Annotator(entry, read(entry))
    annotator.to(device)
    return annotator


def _softedge(entry: ModelEntry) -> MapDrawer:
    """HED (`ControlNetHED`), or PidiNet (`table5_pidinet`), whose keys all begin with `module.`."""
    weights = _read_file(entry)
    if "block1.convs.0.weight" in weights:
        aux = _import_aux("hed")
        return _detector(aux.HEDdetector, _load_weights(aux.ControlNetHED_Apache2(), weights, entry))
    aux = _import_aux("pidi")
    plain = {name.removeprefix("module."): tensor for name, tensor in weights.items()}
    return _detector(aux.PidiNetDetector, _load_weights(aux.pidinet(), plain, entry))


def _lineart(entry: ModelEntry) -> MapDrawer:
    aux = _import_aux("lineart")
    net = _load_weights(aux.Generator(3, 1, 3), _read_file(entry), entry)
    return _detector(lambda net: aux.LineartDetector(net, net), net)


def _mlsd(entry: ModelEntry) -> MapDrawer:
    aux = _import_aux("mlsd")
    net = _load_weights(aux.MobileV2_MLSD_Large(), _read_file(entry), entry)
    return _detector(aux.MLSDdetector, net, lambda options: {"thr_v": options.value, "thr_d": options.distance})


def _pose(entry: ModelEntry) -> MapDrawer:
    """The body net of OpenPose (`body_pose_model`), without hands and faces. Its layers are as wide as those of the
    file."""
    aux = _import_aux("open_pose")
    net = aux.body.bodypose_model()
    layers = {name.split(".", 1)[1]: name for name in net.state_dict()}
    weights = {layers.get(name, name): tensor for name, tensor in _read_file(entry).items()}
    _set_widths(net, weights)
    body = object.__new__(aux.Body)  # its initialiser would open a pickle
    body.model = _load_weights(net, weights, entry)
    return _detector(lambda _: aux.OpenposeDetector(body), net)


def _set_widths(net: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Replaces each convolution whose weights have other numbers of channels."""
    for path, layer in list(net.named_modules()):
        weight = weights.get(f"{path}.weight")
        if not isinstance(layer, nn.Conv2d) or weight is None or weight.ndim != layer.weight.ndim:
            continue
        if weight.shape[:2] != layer.weight.shape[:2]:
            outputs, inputs = weight.shape[:2]
            padding = layer.kernel_size[0] // 2
            net.set_submodule(path, nn.Conv2d(inputs, outputs, layer.kernel_size[0], padding=padding))


def _depth(entry: ModelEntry) -> MapDrawer:
    net = read_depth_net(entry.path)
    return MapDrawer(net, lambda pixels, _: depth_map(net.depth(pixels)))


def _normal(entry: ModelEntry) -> MapDrawer:
    net = read_depth_net(entry.path)
    return MapDrawer(net, lambda pixels, _: normal_map(net.depth(pixels)))


_READERS: Mapping[str, Callable[[ModelEntry], MapDrawer]] = {
    "softedge": _softedge,
    "lineart": _lineart,
    "mlsd": _mlsd,
    "pose": _pose,
    "depth": _depth,
    "normal": _normal,
}


def _import_aux(module: str) -> Any:
    """A module of controlnet_aux. Its import warns of optional parts that are missing or deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(f"controlnet_aux.{module}")


def _read_file(entry: ModelEntry) -> dict[str, Tensor]:
    if not entry.path.is_file():
        raise WeightsError(f"{entry.path} is a folder; an annotator of {entry.hint} maps is one .safetensors file")
    return read_tensors(entry.path)


def _load_weights(net: nn.Module, weights: dict[str, Tensor], entry: ModelEntry) -> nn.Module:
    advice = f"give the file that docs/models.md names for {entry.hint} maps"
    fill(net, weights, torch.float32, entry.path.name, advice=advice)
    return net


def _detector(
    build: Callable[[nn.Module], Any], net: nn.Module, arguments: Callable[[DrawOptions], dict[str, Any]] = lambda _: {}
) -> MapDrawer:
    """A detector of controlnet_aux around a net; `arguments` are passed to it with each image."""
    net.register_forward_hook(_check_output)
    detector = build(net)

    def draw(pixels: np.ndarray, options: DrawOptions) -> np.ndarray:
        size = {"detect_resolution": options.resolution, "image_resolution": options.resolution}
        drawn: np.ndarray = detector(pixels, output_type="np", **size, **arguments(options))
        return drawn

    return MapDrawer(net, draw)


def _check_output(net: nn.Module, _: object, output: object) -> None:
    """Detectors turn NaN into black pixels. Raises NotFiniteError."""
    tensors = [each for each in tree_leaves(output) if isinstance(each, Tensor)]
    require_finite(f"the net of the annotator, {type(net).__name__},", *tensors)
