"""The toys that are ONNX nets: a matting net, and a face detector.

The matting net is a small U-Net that `training` trained on the toy world. The detector has the form of CenterFace and
is set by hand: it finds the heads of the toy world's people by their colour. A head is a disc, so its size follows
from the number of its pixels, and its centre is where they are nearest.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import pi

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper
from torch import Tensor

from models.toy.things import SKIN

SIDE = 64
OPSET, FORMAT = 17, 8
"""Old enough for every supported onnxruntime."""
CELL = 4
"""Pixels of the image, in each direction, for one of the maps."""
TOLERANCE = 32.0
"""Levels by which a colour may differ from that of skin until it is none."""
REACH = 12
"""A head is at most so far from its centre, in cells."""
APART = 4
"""Two centres are farther apart, in cells."""
MAPS = {"centres": 1, "sizes": 2, "offsets": 2, "landmarks": 10}
"""The outputs, with their channels."""


def matting(weights: Mapping[str, Tensor]) -> bytes:
    """An ONNX net [1, 3, 64, 64] → [1, 1, 64, 64]: pixels on ImageNet's scale to the logits of being foreground.

    `weights` are those of `training.matting.Matting`, `fine.weight` to `logit.bias`.
    """
    nodes = [
        *_convolution("fine", "picture"),
        helper.make_node("MaxPool", ["fine"], ["fine/2"], kernel_shape=[2, 2], strides=[2, 2]),
        *_convolution("middle", "fine/2"),
        helper.make_node("MaxPool", ["middle"], ["middle/2"], kernel_shape=[2, 2], strides=[2, 2]),
        *_convolution("coarse", "middle/2"),
        *_convolution("wide", "coarse", dilation=2),
        *_convolution("wider", "wide", dilation=4),
        *_joined("wider", "middle"),
        *_convolution("up", "wider+middle"),
        *_joined("up", "fine"),
        *_convolution("last", "up+fine"),
        helper.make_node("Conv", ["last", "logit.weight", "logit.bias"], ["logits"]),
    ]
    constants = {name: tensor.float().numpy() for name, tensor in weights.items()}
    constants["twice"] = np.array([1, 1, 2, 2], np.float32)
    graph = helper.make_graph(
        nodes,
        "toy-matting",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 1, SIDE, SIDE])],
        [numpy_helper.from_array(np.ascontiguousarray(tensor, np.float32), name) for name, tensor in constants.items()],
    )
    net: ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FORMAT, producer_name="hua"
    )
    checker.check_model(net)
    return bytes(net.SerializeToString(deterministic=True))


def _convolution(name: str, source: str, *, dilation: int = 1) -> list[NodeProto]:
    pads = [dilation] * 4
    inputs = [source, f"{name}.weight", f"{name}.bias"]
    return [
        helper.make_node("Conv", inputs, [f"{name}?"], pads=pads, dilations=[dilation, dilation]),
        helper.make_node("Relu", [f"{name}?"], [name]),
    ]


def _joined(coarse: str, fine: str) -> list[NodeProto]:
    """`coarse` at twice its size, with the channels of `fine` behind its own."""
    nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return [
        helper.make_node("Resize", [coarse, "", "twice"], [f"{coarse}*2"], **nearest),
        helper.make_node("Concat", [f"{coarse}*2", fine], [f"{coarse}+{fine}"], axis=1),
    ]


def face_detector() -> bytes:
    """An ONNX net: [1, 3, h, w], RGB levels of 0..255, to the four maps of CenterFace, [1, channels, h / 4, w / 4]."""
    constants = {
        "skin": np.array(SKIN).reshape(1, 3, 1, 1),
        "tolerance": TOLERANCE,
        "one": 1,
        "zero": 0,
        "half": 0.5,
        "four_over_pi": 4 / pi,
        "all": np.ones((1, 1, 2 * REACH + 1, 2 * REACH + 1)),
        "near": _near(),
    }
    graph = helper.make_graph(
        _face_nodes(),
        "toy-face",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, "height", "width"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, count, "h", "w"]) for name, count in MAPS.items()],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()],
    )
    net: ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FORMAT, producer_name="hua"
    )
    checker.check_model(net)
    return bytes(net.SerializeToString(deterministic=True))


def _face_nodes() -> list[NodeProto]:
    """Where the colour of skin is, then the centre and the size of each spot of it."""
    node = helper.make_node
    return [
        node("Sub", ["picture", "skin"], ["difference"]),
        node("Abs", ["difference"], ["distance"]),
        node("ReduceMax", ["distance"], ["farthest"], axes=[1]),
        node("Div", ["farthest", "tolerance"], ["strangeness"]),
        node("Sub", ["one", "strangeness"], ["likeness"]),
        node("Clip", ["likeness", "zero", "one"], ["likely"]),
        node("AveragePool", ["likely"], ["skin_cells"], kernel_shape=[CELL] * 2, strides=[CELL] * 2),
        node("Conv", ["skin_cells", "all"], ["area"], pads=[REACH] * 4),
        node("Conv", ["skin_cells", "near"], ["nearness"], pads=[REACH] * 4),
        node("Max", ["area", "one"], ["least_area"]),
        node("Div", ["nearness", "least_area"], ["centrality"]),
        node("Mul", ["centrality", "skin_cells"], ["scores"]),
        node("MaxPool", ["scores"], ["best"], kernel_shape=[2 * APART + 1] * 2, strides=[1, 1], pads=[APART] * 4),
        node("Equal", ["scores", "best"], ["is_best"]),
        node("Where", ["is_best", "scores", "zero"], ["centres"]),
        node("Mul", ["least_area", "four_over_pi"], ["diameter_squared"]),
        node("Log", ["diameter_squared"], ["twice_size"]),
        node("Mul", ["twice_size", "half"], ["size"]),
        node("Concat", ["size", "size"], ["sizes"], axis=1),
        node("Mul", ["sizes", "zero"], ["offsets"]),
        node("Concat", ["offsets"] * 5, ["landmarks"], axis=1),
    ]


def _near() -> np.ndarray:
    """1 at the centre of a window, falling to 0 at its rim."""
    steps = np.arange(-REACH, REACH + 1)
    weights: np.ndarray = np.clip(1 - np.hypot(steps[:, None], steps) / (REACH + 1), 0, 1)[None, None]
    return weights
