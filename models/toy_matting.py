"""A toy for cutting out: what is brighter than its ground is the object. Real ONNX, three layers."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

SIDE = 64
STEEPNESS = 24.0
OPSET, FORMAT = 17, 8
"""Old enough for whatever onnxruntime is there."""


def matting() -> bytes:
    """An ONNX net [1, 3, 64, 64] → [1, 1, 64, 64]: the logit of brightness, softened, being above a half.

    Its pixels come on ImageNet's scale, as U²-Net's do, on which middle grey has brightness 0.2.
    """
    brightness = np.full((1, 3, 1, 1), STEEPNESS * 0.226 / 3, np.float32)
    threshold = np.array([-STEEPNESS * 0.05], np.float32)
    nodes = [
        helper.make_node("Conv", ["picture", "brightness", "threshold"], ["bright"]),
        helper.make_node("AveragePool", ["bright"], ["logits"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "toy-matting",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 1, SIDE, SIDE])],
        [numpy_helper.from_array(brightness, "brightness"), numpy_helper.from_array(threshold, "threshold")],
    )
    net: ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FORMAT, producer_name="hua"
    )
    checker.check_model(net)
    return bytes(net.SerializeToString(deterministic=True))
