from pathlib import Path

import numpy as np
import onnxruntime
import torch

from models.toy import trained
from models.toy.onnx_nets import SIDE, matting
from models.toy.training.matting import Matting


def test_matting_file_is_reproducible(models_dir: Path) -> None:
    weights = trained.weights("matting")
    assert matting(weights) == matting(weights) == (models_dir / "toy-matting.onnx").read_bytes()


def test_matting_file_equals_trained_net() -> None:
    net = Matting()
    trained.fill(net, "matting")
    pictures = torch.randn(1, 3, SIDE, SIDE)
    session = onnxruntime.InferenceSession(matting(net.state_dict()), providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"picture": pictures.numpy()})
    np.testing.assert_allclose(logits, net.float()(pictures).detach().numpy(), atol=1e-3)
