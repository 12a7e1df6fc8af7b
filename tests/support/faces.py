"""Nets for faces that are set by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper, save
from torch import Tensor

from models.catalog.entry import ModelEntry
from models.vision.mtcnn import Cascade


def mtcnn_weights(correction: float = 0.0) -> dict[str, Tensor]:
    """A cascade whose first net proposes bright squares of about a third of a cell on a dark ground.

    The second net accepts all. So does the third one, which moves each side by `correction` of the box's size.
    """
    state = {name: torch.zeros_like(tensor) for name, tensor in Cascade().state_dict().items()}
    for name, slopes in state.items():
        if "prelu" in name:
            slopes.fill_(1)
    state["pnet.conv1.weight"][0] = 1 / 27
    shifts = (1, 1), (0, 1), (2, 1), (1, 0), (1, 2)
    for channel, (row, column) in enumerate(shifts):
        state["pnet.conv2.weight"][channel, 0, row, column] = 1
        state["pnet.conv3.weight"][0, channel, row, column] = 0.5 if channel else -2
    state["pnet.conv4_1.weight"][1, 0] = -4
    state["pnet.conv4_1.bias"][1] = -12
    state["rnet.dense5_1.bias"][1] = 8
    state["onet.dense6_1.bias"][1] = 8
    state["onet.dense6_2.bias"].fill_(correction)
    return state


def constant_net(file: Path, outputs: Mapping[str, np.ndarray], shape: Sequence[int | str]) -> ModelEntry:
    """An ONNX net that takes images of this shape, and returns the same arrays for each."""
    constants = [numpy_helper.from_array(np.asarray(value, np.float32), f"{name}=") for name, value in outputs.items()]
    graph = helper.make_graph(
        [helper.make_node("Identity", [f"{name}="], [name]) for name in outputs],
        "faces",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in outputs.items()],
        constants,
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return ModelEntry(name="faces", path=file, family="face", bytes=file.stat().st_size)


def restorer_weights() -> dict[str, Tensor]:
    """A RestoreFormer of the least width, with random weights."""
    from spandrel.architectures.RestoreFormer import RestoreFormer

    torch.manual_seed(0)
    net = RestoreFormer(
        n_embed=8, embed_dim=32, ch=32, ch_mult=(1, 1, 1, 1, 1, 1), num_res_blocks=1, z_channels=32, resolution=512
    )
    return {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
