"""Reads the tensors of an ncnn net from its `NAME.bin`."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.files.ncnn_param import weights_file
from models.files.ncnn_weights import NcnnNet, StoredTensor, read_net_header
from models.files.weights_error import WeightsError

DTYPES = {"F32": "<f4", "F16": "<f2"}


def read_ncnn(param: Path) -> tuple[NcnnNet, dict[str, Tensor]]:
    """A net and its tensors, in fp32, by their names in the layout of its authors. Raises WeightsError."""
    try:
        net = read_net_header(param)
        content = weights_file(param).read_bytes()
    except OSError as error:
        raise WeightsError(
            f"cannot read {error.filename} ({error.strerror}); put it there, readable by the server"
        ) from error
    return net, {tensor.key: _read(content, tensor) for tensor in net.tensors}


def _read(content: bytes, tensor: StoredTensor) -> Tensor:
    values = np.frombuffer(content, np.dtype(DTYPES[tensor.dtype]), math.prod(tensor.shape), tensor.offset)
    return torch.from_numpy(values.astype(np.float32).reshape(tensor.shape))
