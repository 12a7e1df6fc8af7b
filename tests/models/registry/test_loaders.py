import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.modules.module import register_module_forward_pre_hook

from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.kinds import FAMILIES
from models.registry import loaders
from models.vision.upscaler import Upscaler

CPU = torch.device("cpu")
LOADED = FAMILIES.keys() - {"translator", "face_fix", "font"}
"""Families whose models a device process loads, and of which there is a toy. The api loads translators itself."""
NET_FAMILIES = sorted(LOADED - {"lora", "embedding", "matting", "face"})
"""Families whose safetensors are the weights of a net."""


def test_load_uses_the_loader_of_the_family(toys: Catalog) -> None:
    model = loaders.load(toys.find("esr"), CPU, torch.float32)
    assert isinstance(model, Upscaler)
    assert (model.name, model.family) == ("toy-esrgan", "upscaler")


def test_dtype_is_half_on_cuda_and_single_on_the_cpu() -> None:
    assert loaders.dtype_for(torch.device("cuda:1")) == torch.float16
    assert loaders.dtype_for(CPU) == torch.float32


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl", "controlnet"])
def test_loading_initialises_nothing_at_random_and_runs_no_net(toys: Catalog, family: str) -> None:
    """A full-size checkpoint would take several times as long."""
    entry = next(entry for entry in toys if entry.family == family)
    runs: list[object] = []
    hook, before = register_module_forward_pre_hook(lambda module, _: runs.append(module)), torch.get_rng_state()
    loaders.load(entry, CPU, torch.float32)
    hook.remove()
    assert not runs
    assert torch.equal(torch.get_rng_state(), before)


def parts_of(toys: Catalog, family: str) -> list[tuple[ModelEntry, str, Path]]:
    """For the first toy of a family: its entry, and the name of each field and file of weights below it."""
    entry = next(entry for entry in toys if entry.family == family)
    fields = [("path", entry.path), *([("encoder", entry.encoder)] if entry.encoder else [])]
    found = []
    for field, path in fields:
        files = [path] if path.is_file() else sorted(path.glob("**/*.safetensors"))
        found += [(entry, field, file.relative_to(path.parent)) for file in files]
    return found


def copy_of(entry: ModelEntry, field: str, part: Path, folder: Path) -> tuple[ModelEntry, Path]:
    """The entry with a copy of the model in one of its fields, and the copied file of weights."""
    original = getattr(entry, field)
    folder.mkdir(exist_ok=True)
    copied = folder / original.name
    (shutil.copytree if original.is_dir() else shutil.copy)(original, copied)
    return entry.model_copy(update={field: copied}), folder / part


def refusal(entry: ModelEntry) -> tuple[str, str]:
    """The code and the message of the error that loading ends with."""
    with pytest.raises(Exception) as refused:  # noqa: PT011 - of any class, but with a code
        loaders.load(entry, CPU, torch.float32)
    return getattr(refused.value, "code", "none"), str(refused.value)


@pytest.mark.parametrize("family", NET_FAMILIES)
def test_missing_weight_is_refused_by_name(toys: Catalog, family: str, tmp_path: Path) -> None:
    """Random numbers instead would make a wrong picture, and the task would succeed."""
    for number, (original, field, part) in enumerate(parts_of(toys, family)):
        entry, file = copy_of(original, field, part, tmp_path / str(number))
        tensors = load_file(file)
        matrices = sorted(name for name, tensor in tensors.items() if tensor.ndim > 1)
        del tensors[matrices[len(matrices) // 2]]
        save_file(tensors, file, metadata={"format": "pt"})
        code, message = refusal(entry)
        assert code == "bad_model", message
        assert file.name in message or file.parent.name in message


@pytest.mark.parametrize("family", sorted(LOADED))
def test_torn_file_is_refused_by_name(toys: Catalog, family: str, tmp_path: Path) -> None:
    for number, (original, field, part) in enumerate(parts_of(toys, family)):
        entry, file = copy_of(original, field, part, tmp_path / str(number))
        file.write_bytes(file.read_bytes()[:-10])
        code, message = refusal(entry)
        assert code in ("bad_model", "bad_input"), message
        fault = "cannot be read" if file.suffix == ".onnx" else f"has {file.stat().st_size} bytes, but its header says"
        assert f"{file.name} {fault}" in message


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "tokenizer.json"])
def test_torn_config_is_refused_by_name(toys: Catalog, name: str, tmp_path: Path) -> None:
    found = 0
    for family in sorted(LOADED):
        entry = next(entry for entry in toys if entry.family == family)
        for file in sorted(entry.path.glob(f"**/{name}")) if entry.path.is_dir() else []:
            copied = shutil.copytree(entry.path, tmp_path / str(found))
            (copied / file.relative_to(entry.path)).write_text('{"torn": ')
            code, message = refusal(entry.model_copy(update={"path": copied}))
            assert code == "bad_model", message
            assert str(copied) in message or copied.name in message
            found += 1
    assert found


def test_weight_beside_a_weight_that_no_net_knows_is_refused(toys: Catalog, tmp_path: Path) -> None:
    """It changes what its neighbour means."""
    entry, _ = copy_of(toys.find("toy-sd1"), "path", Path("toy-sd1"), tmp_path)
    for part in ("unet", "vae", "text_encoder"):
        (file,) = (entry.path / part).glob("*.safetensors")
        tensors = load_file(file)
        beside = next(name for name in tensors if name.endswith("proj.weight") or "to_q.weight" in name)
        save_file({**tensors, f"{beside}_factor": torch.ones(1)}, file, metadata={"format": "pt"})
        code, message = refusal(entry)
        assert code == "bad_model"
        assert f"{beside.split('.', 1)[1]}_factor" in message
        save_file(tensors, file, metadata={"format": "pt"})
