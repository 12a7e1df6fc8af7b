"""ControlNets as diffusers loads and runs them, from folders and single files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import ControlNetModel
from safetensors.torch import load_file, save_file

from models import catalog
from models.adapters import controlnet
from models.catalog.catalog import Catalog, UnknownModelError
from models.catalog.entry import ModelEntry
from models.conditioning import Conditioning
from models.files.weights_error import WeightsError
from models.kinds.annotator import ANNOTATOR
from models.kinds.controlnet import CONTROLNET
from models.kinds.kind import ModelRef
from tests.support.ldm_layout import UNET_RESNET, rename_prefixes, replace_parts

CPU = torch.device("cpu")
WEIGHTS = "diffusion_pytorch_model.safetensors"


def entry(path: Path, config: Path | None = None, base: str = "sd1") -> ModelEntry:
    return ModelEntry(name="net", path=path, family="controlnet", base=base, hint="canny", config=config)


def inputs(width: int = 128, **extras: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, Conditioning, torch.Tensor]:
    """Two rows of every input, with different values."""
    conditioning = Conditioning(torch.randn(2, 77, width), extras)
    return torch.randn(2, 4, 8, 8), torch.tensor([981.0, 401.0]), conditioning, torch.rand(2, 3, 64, 64)


def ldm(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of a toy in the layout of the authors."""
    tensors = load_file(folder / WEIGHTS)
    names = {
        "conv_in.": "input_blocks.0.0.",
        "time_embedding.linear_1.": "time_embed.0.",
        "time_embedding.linear_2.": "time_embed.2.",
        "mid_block.resnets.0.": "middle_block.0.",
        "mid_block.attentions.0.": "middle_block.1.",
        "mid_block.resnets.1.": "middle_block.2.",
        "controlnet_mid_block.": "middle_block_out.0.",
        "controlnet_cond_embedding.conv_in.": "input_hint_block.0.",
        "controlnet_cond_embedding.conv_out.": "input_hint_block.14.",
    }
    for level in range(4):
        names[f"down_blocks.{level}.resnets.0."] = f"input_blocks.{1 + 2 * level}.0."
        names[f"down_blocks.{level}.attentions.0."] = f"input_blocks.{1 + 2 * level}.1."
        names[f"down_blocks.{level}.downsamplers.0.conv."] = f"input_blocks.{2 + 2 * level}.0.op."
    for block in range(8):
        names[f"controlnet_down_blocks.{block}."] = f"zero_convs.{block}.0."
    for block in range(6):
        names[f"controlnet_cond_embedding.blocks.{block}."] = f"input_hint_block.{2 * block + 2}."
    resnets = {name: tensor for name, tensor in tensors.items() if ".resnets." in name}
    others = {name: tensor for name, tensor in tensors.items() if ".resnets." not in name}
    renamed = rename_prefixes(others, names) | replace_parts(rename_prefixes(resnets, names), UNET_RESNET)
    return {f"control_model.{name}": tensor.contiguous() for name, tensor in renamed.items()}


@pytest.mark.parametrize(("name", "width"), [("toy-sd1-canny", 128), ("toy-sdxl-canny", 96)])
def test_residuals_equal_diffusers(toys: Catalog, name: str, width: int) -> None:
    entry_of_toy = toys.find(name)
    net = controlnet.load(entry_of_toy, CPU, torch.float32)
    extras = {} if entry_of_toy.base == "sd1" else {"text_embeds": torch.randn(2, 64), "time_ids": torch.rand(2, 6)}
    latents, timesteps, conditioning, hints = inputs(width, **extras)
    stock = ControlNetModel.from_pretrained(entry_of_toy.path, torch_dtype=torch.float32)
    down, middle = stock(
        latents,
        timesteps,
        conditioning.embeds,
        controlnet_cond=hints,
        added_cond_kwargs=extras,
        return_dict=False,
    )
    ours = net.residuals(latents, timesteps, conditioning, hints)
    for one, other in zip(ours, [*down, middle], strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert torch.equal(net.outermost(latents, hints), ours[0])
    assert (net.width, net.pooled) == (width, False)
    assert net.bytes > 1_000_000


@pytest.mark.parametrize("layout", ["diffusers", "ldm", "bare ldm"])
def test_load_reads_single_files_of_every_layout(toys: Catalog, tmp_path: Path, layout: str) -> None:
    folder = toys.find("toy-sd1-canny").path
    tensors = load_file(folder / WEIGHTS) if layout == "diffusers" else ldm(folder)
    if layout == "bare ldm":
        tensors = {name.removeprefix("control_model."): tensor for name, tensor in tensors.items()}
    save_file(tensors, tmp_path / "net.safetensors")
    net = controlnet.load(entry(tmp_path / "net.safetensors", config=folder), CPU, torch.float32)
    expected = controlnet.load(toys.find("toy-sd1-canny"), CPU, torch.float32).residuals
    rows = inputs()
    for one, other in zip(net.residuals(*rows), expected(*rows), strict=True):
        assert torch.equal(one, other)


def test_load_refuses_files_that_do_not_fit(toys: Catalog, tmp_path: Path) -> None:
    folder = toys.find("toy-sd1-canny").path
    save_file(load_file(folder / WEIGHTS), tmp_path / "net.safetensors")
    with pytest.raises(WeightsError, match=r"does not fit.*of another shape.*correct `for: sd1` in its entry"):
        controlnet.load(entry(tmp_path / "net.safetensors"), CPU, torch.float32)
    save_file({"lora_controlnet": torch.zeros(1)}, tmp_path / "lora.safetensors")
    with pytest.raises(WeightsError, match="is not a ControlNet"):
        controlnet.load(entry(tmp_path / "lora.safetensors"), CPU, torch.float32)
    union = shutil.copytree(folder, tmp_path / "union")
    config = json.loads((union / "config.json").read_text())
    (union / "config.json").write_text(json.dumps(config | {"_class_name": "ControlNetUnionModel"}))
    with pytest.raises(WeightsError, match="describes a ControlNetUnionModel"):
        controlnet.load(entry(union), CPU, torch.float32)
    (union / WEIGHTS).unlink()
    with pytest.raises(WeightsError, match=r"has no \.safetensors"):
        controlnet.load(entry(union), CPU, torch.float32)


def test_load_refuses_what_changes_a_weight(toys: Catalog, tmp_path: Path) -> None:
    folder = shutil.copytree(toys.find("toy-sd1-canny").path, tmp_path / "canny")
    tensors = load_file(folder / WEIGHTS)
    save_file(tensors | {"time_embedding.linear_1.factor": torch.ones(1)}, folder / WEIGHTS)
    with pytest.raises(WeightsError, match=r"has time_embedding\.linear_1\.factor, which this net does not know"):
        controlnet.load(entry(folder), CPU, torch.float32)


def test_residuals_of_circular_images_have_no_edge(toys: Catalog) -> None:
    """An image shifted around its edge has the same residuals, shifted."""
    net = controlnet.load(toys.find("toy-sd1-canny"), CPU, torch.float32)
    latents, timesteps, conditioning, hints = inputs()
    first = net.residuals(latents, timesteps, conditioning, hints, circular=True)[0]
    moved = latents.roll(4, dims=3), timesteps, conditioning, hints.roll(32, dims=3)
    assert torch.allclose(net.residuals(*moved, circular=True)[0], first.roll(4, dims=3), atol=1e-4)
    assert not torch.allclose(net.residuals(*moved)[0], first.roll(4, dims=3), atol=1e-2)


def test_catalog_finds_controlnets_by_hint_and_family(toys: Catalog) -> None:
    assert toys.find(ModelRef(CONTROLNET, "canny", base="v1.5")).name == "toy-sd1-canny"
    assert toys.find(ModelRef(CONTROLNET, "canny", base="toy-sdxl")).name == "toy-sdxl-canny"
    assert toys.find(ModelRef(CONTROLNET, "toy-sd1-tile", base="v1.5")).name == "toy-sd1-tile"
    assert toys.find(ModelRef(ANNOTATOR, "depth")).name == "toy-depth"
    with pytest.raises(UnknownModelError, match="no ControlNet 'depth' for 'toy-sdxl', a model of family sdxl; there"):
        toys.find(ModelRef(CONTROLNET, "depth", base="toy-sdxl"))
    with pytest.raises(UnknownModelError, match=r"add one of family controlnet to models\.yaml with `for: sd2`"):
        toys.find(ModelRef(CONTROLNET, "canny", base="toy-sd2"))
    with pytest.raises(UnknownModelError, match="there is no model 'nothing'"):
        toys.find(ModelRef(CONTROLNET, "canny", base="nothing"))
    with pytest.raises(UnknownModelError, match=r"no annotator 'seg'; there are: depth.*; or send a finished map"):
        toys.find(ModelRef(ANNOTATOR, "seg"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("family: controlnet, hint: canny", "say which, such as `for: sd1`"),
        ("family: annotator", "say which, such as `hint: depth`"),
        ("family: controlnet, for: lama", "for: there is no such family; there are: sd1, sd2, sdxl"),
    ],
)
def test_entry_without_base_or_hint_is_refused(models_dir: Path, tmp_path: Path, line: str, message: str) -> None:
    checkpoint = f"{{name: one, path: {models_dir / 'toy-sd1'}, family: sd1}}"
    net = f"{{name: net, path: {models_dir / 'toy-sd1-canny'}, {line}}}"
    (tmp_path / "models.yaml").write_text(f"models: [{checkpoint}, {net}]")
    [problem] = catalog.read(tmp_path).problems
    assert "model 'net'" in problem.message
    assert message in problem.message


@pytest.mark.parametrize("name", ["toy-sd1-canny", "toy-sdxl-canny"])
@pytest.mark.parametrize("shape", [(8, 8), (9, 14)])
def test_sizes_are_those_of_the_residuals(toys: Catalog, name: str, shape: tuple[int, int]) -> None:
    net = controlnet.load(toys.find(name), CPU, torch.float32)
    extras = {} if name == "toy-sd1-canny" else {"text_embeds": torch.randn(1, 64), "time_ids": torch.rand(1, 6)}
    height, width = shape
    found = net.residuals(
        torch.randn(1, 4, height, width),
        torch.tensor([500.0]),
        Conditioning(torch.randn(1, 77, net.width), extras),
        torch.rand(1, 3, 8 * height, 8 * width),
    )
    assert net.sizes(height, width) == [tuple(each.shape[2:]) for each in found]
