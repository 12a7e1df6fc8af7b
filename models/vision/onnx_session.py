"""Opens ONNX nets that take one image."""

from __future__ import annotations

import logging
from functools import cache

import onnxruntime
import torch

from models.catalog.entry import ModelEntry
from models.files.weights_error import one_line
from models.vision.spandrel_net import NetError

log = logging.getLogger(__name__)
CUDA_PROVIDER = "CUDAExecutionProvider"


def open_session(entry: ModelEntry, device: torch.device) -> onnxruntime.InferenceSession:
    """A session on the device; on the CPU, with a warning, if onnxruntime cannot use CUDA. Raises NetError."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that spin while they wait slow down a busy machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    preferred = [CUDA_PROVIDER] * (device.type == "cuda") + ["CPUExecutionProvider"]
    providers = [name for name in preferred if name in onnxruntime.get_available_providers()]
    try:
        session = onnxruntime.InferenceSession(entry.path, options, providers=providers)
    except Exception as error:  # the errors of onnxruntime have no common class
        raise NetError(
            f"{entry.path.name} cannot be read as an ONNX net ({one_line(error)}); copy or download it again"
        ) from error
    # It also leaves out CUDA by itself, where libraries are missing.
    if device.type == "cuda" and CUDA_PROVIDER not in session.get_providers():
        _warn_once()
    return session


@cache
def _warn_once() -> None:
    log.warning(
        "onnxruntime %s cannot use CUDA here, so ONNX nets run on the CPU; "
        "install onnxruntime-gpu instead of onnxruntime",
        onnxruntime.__version__,
    )
