"""Single files as they are found in the wild paint as the same weights do in the layout of diffusers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from models import catalog
from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.diffusion import vae
from models.files.weights_error import WeightsError
from models.loaded_model import LoadedModel
from models.registry import loaders
from tests.support.ldm_layout import vae_to_ldm
from tests.support.models_yaml import write_entries
from tests.support.nets import autoencoder_of

CPU = torch.device("cpu")
FAMILIES = ("sd1", "sd2", "sdxl")
UNET, VAE = "model.diffusion_model.", "first_stage_model."
TEXT = ("cond_stage_model.", "conditioner.")
Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="session")
def whole(
    toys: Catalog, write_single_file: Callable[[Path, Path], None], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Tensors]:
    """The tensors of a complete single file of each family."""
    folder = tmp_path_factory.mktemp("whole")
    for family in FAMILIES:
        write_single_file(toys.find(f"toy-{family}").path, folder / f"{family}.safetensors")
    return {family: load_file(folder / f"{family}.safetensors") for family in FAMILIES}


def averaged(tensors: Tensors) -> Tensors:
    return {
        "model_ema.diffusion_model" + name.removeprefix(UNET).replace(".", ""): tensor
        for name, tensor in tensors.items()
        if name.startswith(UNET)
    }


def without(tensors: Tensors, *prefixes: str) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(prefixes)}


def renamed(tensors: Tensors, prefix: str) -> Tensors:
    """Another prefix for the UNet."""
    return {prefix + name.removeprefix(UNET) if name.startswith(UNET) else name: each for name, each in tensors.items()}


def with_averages(tensors: Tensors) -> Tensors:
    count = {"model_ema.num_updates": torch.zeros((), dtype=torch.int32), "model_ema.decay": torch.ones(())}
    return tensors | count | {name: torch.zeros_like(tensor) for name, tensor in averaged(tensors).items()}


def load(tensors: Tensors, folder: Path, models_dir: Path, family: str, *fields: str) -> LoadedModel:
    """What the catalog finds in a file of these tensors, with the sizes of a toy; `fields` are those of its entry."""
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "wild.safetensors")
    write_entries(folder, f"{{{', '.join(['name: wild', f'config: {models_dir}/toy-{family}', *fields])}}}")
    entry = catalog.read(folder, models_dir).find("wild")
    assert entry.family == family
    return loaders.load(entry, CPU, torch.float32)


@torch.inference_mode()
def results(model: Any) -> list[torch.Tensor]:
    """What a checkpoint makes of a prompt, of latents, and of pixels."""
    text, _ = model.encode_prompt("a (red:1.2) apple", None, clip_skip=-1, width=64, height=64)
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    prediction = model.predict(latents, torch.tensor([300]), text)
    return [text.embeds, prediction, torch.tensor(model.decode(latents)[0])]


def assert_equal(one: Any, other: Any) -> None:
    assert all(torch.equal(*pair) for pair in zip(results(one), results(other), strict=True))


def assert_close(one: Any, other: Any) -> None:
    """Weights that lie in memory in another way may be multiplied in another order."""
    (text, noise, pixels), (other_text, other_noise, other_pixels) = results(one), results(other)
    torch.testing.assert_close(text, other_text, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(noise, other_noise, rtol=1e-4, atol=1e-4)
    assert (pixels.int() - other_pixels.int()).abs().max() <= 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "change",
    [
        with_averages,
        lambda tensors: without(tensors, UNET) | averaged(tensors),
        lambda tensors: renamed(tensors, "diffusion_model."),
        lambda tensors: renamed(tensors, ""),
    ],
    ids=["with averages", "averages alone", "without model.", "bare UNet"],
)
def test_checkpoint_with_other_names_equals_its_folder(
    family: str,
    change: Callable[[Tensors], Tensors],
    whole: Mapping[str, Tensors],
    checkpoints: dict[str, LoadedModel],
    models_dir: Path,
    tmp_path: Path,
) -> None:
    assert_equal(load(change(whole[family]), tmp_path, models_dir, family), checkpoints[family])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn])
def test_checkpoint_in_few_bits_equals_the_weights_that_it_means(
    family: str, dtype: torch.dtype, whole: Mapping[str, Tensors], models_dir: Path, tmp_path: Path
) -> None:
    few = {name: tensor.to(dtype) if tensor.ndim > 1 else tensor for name, tensor in whole[family].items()}
    full = {name: tensor.float() for name, tensor in few.items()}
    (tmp_path / "full").mkdir()
    model = load(few, tmp_path, models_dir, family)
    assert_close(model, load(full, tmp_path / "full", models_dir, family))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("in_diffusers_layout", [False, True])
def test_unet_alone_takes_its_parts_from_elsewhere(
    family: str,
    in_diffusers_layout: bool,
    whole: Mapping[str, Tensors],
    checkpoints: dict[str, LoadedModel],
    models_dir: Path,
    tmp_path: Path,
) -> None:
    toy = models_dir / f"toy-{family}"
    alone = without(whole[family], VAE, *TEXT)
    if in_diffusers_layout:
        alone = load_file(toy / "unet" / "diffusion_pytorch_model.safetensors")
    fields = f"text_encoder: toy-{family}", f"vae: {toy}/vae"
    assert_equal(load(alone, tmp_path, models_dir, family, *fields), checkpoints[family])


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_are_taken_from_another_single_file(
    family: str,
    whole: Mapping[str, Tensors],
    checkpoints: dict[str, LoadedModel],
    models_dir: Path,
    tmp_path: Path,
) -> None:
    save_file(without(whole[family], UNET), tmp_path / "parts.safetensors")
    fields = [f"{part}: parts.safetensors" for part in ("text_encoder", "text_encoder_2", "vae")]
    alone = without(whole[family], VAE, *TEXT)
    assert_equal(load(alone, tmp_path, models_dir, family, *fields), checkpoints[family])


def test_text_encoders_are_files_of_transformers(
    whole: Mapping[str, Tensors], checkpoints: dict[str, LoadedModel], models_dir: Path, tmp_path: Path
) -> None:
    """As ComfyUI has them in `text_encoders/`: `clip_l` and `clip_g`."""
    fields = []
    for part, name in (("text_encoder", "clip_l"), ("text_encoder_2", "clip_g")):
        tensors = load_file(models_dir / "toy-sdxl" / part / "model.safetensors")
        inner = {key if key.startswith("text_") else f"text_model.{key}": each for key, each in tensors.items()}
        save_file(inner, tmp_path / f"{name}.safetensors")
        fields.append(f"{part}: {name}.safetensors")
    model = load(without(whole["sdxl"], *TEXT), tmp_path, models_dir, "sdxl", *fields)
    assert_equal(model, checkpoints["sdxl"])


@pytest.mark.parametrize("form", ["folder", "diffusers", "bare", "in a checkpoint"])
@pytest.mark.parametrize(("family", "scale"), [("sd1", 0.18215), ("sdxl", 0.13025)])
def test_separate_vae_equals_that_of_diffusers(
    form: str,
    family: str,
    scale: float,
    stock: dict[str, Any],
    checkpoints: dict[str, LoadedModel],
    models_dir: Path,
    tmp_path: Path,
) -> None:
    """The latents have the scale of the checkpoint, whatever the VAE says."""
    entry = write_vae(form, models_dir / "toy-sd2", tmp_path)
    latents = torch.randn(1, 4, 8, 8)
    expected = stock["sd2"].vae.decode(latents / scale).sample[0].permute(1, 2, 0)
    expected = ((expected / 2 + 0.5).clamp(0, 1) * 255).round()
    checkpoint: Any = checkpoints[family]
    (pixels,) = checkpoint.adapted(vae=vae.load(entry, CPU, torch.float32)).decode(latents)
    assert np.abs(pixels - expected.numpy()).max() <= 1
    (own,) = checkpoint.decode(latents)
    assert np.abs(pixels.astype(int) - own).max() > 1


def write_vae(form: str, toy: Path, folder: Path) -> ModelEntry:
    """The VAE of a toy in one of the forms of the wild, as the catalog finds it."""
    fields = f"name: wild, config: {toy}"
    if form == "folder":
        fields = f"name: wild, family: vae, path: {toy}/vae"
    else:
        tensors = load_file(toy / "vae" / "diffusion_pytorch_model.safetensors")
        if form != "diffusers":
            tensors = vae_to_ldm(tensors) | {"loss.logvar": torch.zeros(())}
        if form == "in a checkpoint":
            tensors = {VAE + name: tensor for name, tensor in tensors.items()}
        save_file({name: each.contiguous() for name, each in tensors.items()}, folder / "wild.safetensors")
    write_entries(folder, f"{{{fields}}}")
    entry = catalog.read(folder).find("wild")
    assert (entry.family, entry.base) == ("vae", None)
    return entry


def test_vae_of_an_entry_replaces_that_in_the_file(
    whole: Mapping[str, Tensors], checkpoints: dict[str, LoadedModel], models_dir: Path, tmp_path: Path
) -> None:
    model: Any = load(whole["sd1"], tmp_path, models_dir, "sd1", "vae: toy-vae")
    expected, found = autoencoder_of(checkpoints["sd2"]), autoencoder_of(model)
    assert torch.equal(found.decoder.conv_out.weight, expected.decoder.conv_out.weight)


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("decoder.mid_block.resnets.0.conv1.weight", r"wild\.safetensors, AutoencoderKL is incomplete, it lacks decod"),
        ("encoder.conv_in.weight", r"wild\.safetensors has no weights first_stage_model"),
    ],
)
def test_vae_without_a_weight_is_refused(lost: str, message: str, models_dir: Path, tmp_path: Path) -> None:
    entry = write_vae("diffusers", models_dir / "toy-sd2", tmp_path)
    save_file(without(load_file(entry.path), lost), entry.path)
    with pytest.raises(WeightsError, match=message):
        vae.load(entry, CPU, torch.float32)


@pytest.mark.parametrize(("base", "expected"), [("sdxl", torch.float32), (None, torch.float16)])
def test_vae_that_may_overflow_is_in_single_precision(
    base: str | None, expected: torch.dtype, models_dir: Path
) -> None:
    entry = ModelEntry(name="x", path=models_dir / "toy-sdxl" / "vae", family="vae", base=base)
    assert vae.load(entry, CPU, torch.float16).autoencoder.net.dtype == expected
