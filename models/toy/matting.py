"""The toy matting net, as ONNX: a small U-Net that `training` trained on the toy world."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper
from torch import Tensor

SIDE = 64
OPSET, FORMAT = 17, 8
"""Old enough for every supported onnxruntime."""


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


def _convolution(name: str, taken: str, *, dilation: int = 1) -> list[NodeProto]:
    pads = [dilation] * 4
    given = [taken, f"{name}.weight", f"{name}.bias"]
    return [
        helper.make_node("Conv", given, [f"{name}?"], pads=pads, dilations=[dilation, dilation]),
        helper.make_node("Relu", [f"{name}?"], [name]),
    ]


def _joined(coarse: str, fine: str) -> list[NodeProto]:
    """`coarse` at twice its size, with the channels of `fine` behind its own."""
    nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return [
        helper.make_node("Resize", [coarse, "", "twice"], [f"{coarse}*2"], **nearest),
        helper.make_node("Concat", [f"{coarse}*2", fine], [f"{coarse}+{fine}"], axis=1),
    ]
