import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch.nn.functional import pad as pad_zeros
from transformers import CLIPTextConfig

from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.files.weights_error import WeightsError
from models.loaded_model import LoadedModel
from models.registry import loaders
from models.weights import CONFIGS, SingleFile, open_weights

CPU = torch.device("cpu")


def folder_entry(folder: Path) -> ModelEntry:
    return ModelEntry(name="toy", path=folder, family="sd1")


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_single_file_equals_its_folder(
    family: str,
    toys: Catalog,
    checkpoints: dict[str, LoadedModel],
    write_single_file: Callable[[Path, Path], None],
    tmp_path: Path,
) -> None:
    folder = toys.find(f"toy-{family}").path
    write_single_file(folder, tmp_path / "toy.safetensors")
    prediction = "v_prediction" if family == "sd2" else None
    entry = ModelEntry(
        name="toy", path=tmp_path / "toy.safetensors", family=family, config=folder, prediction=prediction
    )
    single, whole = loaders.load(entry, CPU, torch.float32), checkpoints[family]
    prompts = {"text": "a (red:1.2) apple", "negative": "", "clip_skip": -1, "width": 64, "height": 64}
    (ours, _), (expected, _) = single.encode_prompt(**prompts), whole.encode_prompt(**prompts)
    assert torch.equal(ours.embeds, expected.embeds)
    latents, timesteps = torch.randn(1, 4, 8, 8), torch.tensor([300])
    assert torch.equal(single.predict(latents, timesteps, ours), whole.predict(latents, timesteps, expected))
    assert (single.decode(latents)[0] == whole.decode(latents)[0]).all()
    assert single.scheduler_config == whole.scheduler_config


@pytest.mark.parametrize(
    ("family", "index", "pad"), [("sd1", 0, 49407), ("sd2", 0, 0), ("sdxl", 0, 49407), ("sdxl", 1, 0)]
)
def test_single_file_without_tokenizer_gets_that_of_clip(tmp_path: Path, family: str, index: int, pad: int) -> None:
    entry = ModelEntry(name="lone", path=tmp_path / "lone.safetensors", family=family)
    tokenizer = SingleFile(entry).tokenizer(index)
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert tokenizer.pad_token_id == pad


@pytest.mark.parametrize("inpainting_channels", [0, 5])
def test_prediction_of_a_single_sd2_file_is_measured(
    inpainting_channels: int, toys: Catalog, write_single_file: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    folder = toys.find("toy-sd2").path
    write_single_file(folder, tmp_path / "toy.safetensors")
    tensors = load_file(tmp_path / "toy.safetensors")
    first = tensors["model.diffusion_model.input_blocks.0.0.weight"]
    tensors["model.diffusion_model.input_blocks.0.0.weight"] = pad_zeros(first, (0, 0, 0, 0, 0, inpainting_channels))
    save_file(tensors, tmp_path / "toy.safetensors")
    shutil.copytree(folder, tmp_path / "config")
    shutil.rmtree(tmp_path / "config" / "scheduler")
    shutil.copytree(CONFIGS / "sd2" / "scheduler", tmp_path / "config" / "scheduler")
    entry = ModelEntry(name="toy", path=tmp_path / "toy.safetensors", family="sd2", config=tmp_path / "config")
    assert SingleFile(entry).scheduler_config.get("prediction_type") is None
    toy = loaders.load(entry, torch.device("cpu"), torch.float32)
    assert toy.scheduler_config["prediction_type"] == "v_prediction"


def test_single_file_uses_the_tokenizer_of_its_folder(toys: Catalog, tmp_path: Path) -> None:
    shutil.copytree(toys.find("toy-sd1").path / "tokenizer", tmp_path / "tokenizer")
    entry = ModelEntry(name="toy", path=tmp_path / "toy.safetensors", family="sd1")
    assert SingleFile(entry).tokenizer(0).model_max_length == 77


def test_folder_with_only_fp16_variant_is_read(toys: Catalog, tmp_path: Path) -> None:
    folder = shutil.copytree(toys.find("toy-sd1").path, tmp_path / "toy")
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights.rename(folder / "vae" / "diffusion_pytorch_model.fp16.safetensors")
    assert open_weights(folder_entry(folder)).vae(torch.float32).dtype == torch.float32


def test_folder_without_safetensors_is_refused(toys: Catalog, tmp_path: Path) -> None:
    folder = shutil.copytree(toys.find("toy-sd1").path, tmp_path / "toy")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"vae has no \.safetensors weights"):
        open_weights(folder_entry(folder)).vae(torch.float32)


def test_broken_scheduler_config_is_refused(toys: Catalog, tmp_path: Path) -> None:
    (tmp_path / "scheduler").mkdir()
    (tmp_path / "scheduler" / "scheduler_config.json").write_text("{")
    with pytest.raises(WeightsError, match="copy it from the original model"):
        _ = open_weights(folder_entry(tmp_path)).scheduler_config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta_schedule": "none"}, "describes no noise schedule"),
        ({"num_train_timesteps": "many"}, "describes no noise schedule"),
        ({"timestep_spacing": "none"}, "describes no noise schedule"),
        ({"prediction_type": "sample"}, "prediction_type 'sample', which is not supported; only epsilon and v_pred"),
    ],
)
def test_scheduler_config_that_no_scheduler_can_use_is_refused(
    change: dict[str, str], message: str, toys: Catalog, tmp_path: Path
) -> None:
    folder = shutil.copytree(toys.find("toy-sd1").path, tmp_path / "toy")
    file = folder / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(WeightsError, match=rf"scheduler_config\.json .*{message}"):
        _ = open_weights(folder_entry(folder)).scheduler_config


@pytest.mark.parametrize("part", ["", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_model_or_part_that_is_gone_is_named(part: str, toys: Catalog, tmp_path: Path) -> None:
    entry = toys.find("toy-sd1")
    folder = shutil.copytree(entry.path, tmp_path / "toy")
    shutil.rmtree(folder / part)
    with pytest.raises(WeightsError, match=rf"{tmp_path}/toy/?{part}"):
        loaders.load(entry.model_copy(update={"path": folder}), CPU, torch.float32)


def test_wrong_family_is_named(toys: Catalog) -> None:
    entry = toys.find("toy-sdxl").model_copy(update={"family": "sd1"})
    with pytest.raises(WeightsError, match="check whether its family is sd1"):
        loaders.load(entry, CPU, torch.float32)


def test_inpainting_checkpoint_is_known_by_its_first_layer(
    toys: Catalog, write_single_file: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    entry = toys.find("toy-sd1-inpainting")
    write_single_file(entry.path, tmp_path / "toy.safetensors")
    alone = entry.model_copy(update={"path": tmp_path / "toy.safetensors", "config": toys.find("toy-sd1").path})
    single, whole = (loaders.load(each, CPU, torch.float32) for each in (alone, entry))
    assert (single.in_channels, whole.in_channels, whole.channels) == (9, 9, 4)
    conditioning, _ = whole.encode_prompt("a boat", None, clip_skip=-1, width=64, height=64)
    latents, timesteps = torch.randn(1, 9, 8, 8), torch.tensor([300])
    assert torch.equal(
        single.predict(latents, timesteps, conditioning), whole.predict(latents, timesteps, conditioning)
    )


@pytest.mark.parametrize(
    ("family", "lost", "part"),
    [
        ("sd1", "model.diffusion_model.input_blocks.1.0.in_layers.2.weight", "UNet2DConditionModel is incomplete"),
        ("sd1", "model.diffusion_model.", "has no weights model.diffusion_model.…"),
        ("sd1", "first_stage_model.decoder.conv_in.weight", "AutoencoderKL is incomplete, it lacks decoder.conv_in"),
        ("sd1", "first_stage_model.", "has no weights first_stage_model.…"),
        ("sd1", "cond_stage_model.transformer.text_model.encoder.layers.1.mlp.fc1.weight", "encoder 1 is incomplete"),
        ("sd1", "cond_stage_model.", "has no text encoder 1; .* name one in `text_encoder:`"),
        ("sd2", "cond_stage_model.model.transformer.resblocks.1.mlp.c_fc.weight", "text encoder 1 is incomplete"),
        ("sdxl", "conditioner.embedders.1.model.text_projection", "text encoder 2"),
    ],
)
def test_single_file_without_a_weight_is_refused(
    family: str, lost: str, part: str, toys: Catalog, write_single_file: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    folder, file = toys.find(f"toy-{family}").path, tmp_path / "toy.safetensors"
    write_single_file(folder, file)
    tensors = load_file(file)
    rest = {name: tensor for name, tensor in tensors.items() if not name.startswith(lost)}
    assert len(rest) < len(tensors)
    save_file(rest, file)
    entry = ModelEntry(name="toy", path=file, family=family, config=folder, prediction="epsilon")
    with pytest.raises(WeightsError, match=rf"toy\.safetensors.*{part}"):
        loaders.load(entry, CPU, torch.float32)


@pytest.mark.parametrize("scale_name", ["scale_weight", "weight_scale"])
def test_scaled_fp8_file_paints_as_the_weights_that_it_means(
    scale_name: str, toys: Catalog, write_single_file: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    folder, meant, scaled = toys.find("toy-sd1").path, tmp_path / "meant.safetensors", tmp_path / "scaled.safetensors"
    write_single_file(folder, meant)
    tensors = load_file(meant)
    stored: dict[str, torch.Tensor] = {"scaled_fp8": torch.zeros(2).to(torch.float8_e4m3fn)}
    for name in [name for name in tensors if name.endswith(".weight") and tensors[name].ndim == 2]:
        scale = tensors[name].abs().max() / 448
        stored[name] = (tensors[name] / scale).to(torch.float8_e4m3fn)
        stored[name.removesuffix("weight") + scale_name] = scale
        tensors[name] = stored[name].float() * scale
    save_file(tensors, meant)
    save_file(tensors | stored, scaled)
    prompt = {"text": "a boat", "negative": None, "clip_skip": -1, "width": 64, "height": 64}
    latents, timesteps, made = torch.randn(1, 4, 8, 8), torch.tensor([300]), []
    for file in (meant, scaled):
        model = loaders.load(ModelEntry(name="toy", path=file, family="sd1", config=folder), CPU, torch.float32)
        conditioning, _ = model.encode_prompt(**prompt)
        made += [model.predict(latents, timesteps, conditioning), torch.tensor(model.decode(latents)[0])]
    assert torch.allclose(made[0], made[2], atol=1e-5)
    assert (made[1].int() - made[3].int()).abs().max() <= 1


def test_single_file_says_how_it_was_trained(
    toys: Catalog, write_single_file: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    folder, file = toys.find("toy-sdxl").path, tmp_path / "toy.safetensors"
    write_single_file(folder, file)
    save_file(load_file(file) | {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}, file)
    entry = ModelEntry(name="toy", path=file, family="sdxl", config=folder)
    config = loaders.load(entry, CPU, torch.float32).scheduler_config
    assert (config["prediction_type"], config["rescale_betas_zero_snr"]) == ("v_prediction", True)


def test_clip_skip_of_an_entry_beyond_its_layers_is_refused(toys: Catalog) -> None:
    entry = toys.find("toy-sd1").model_copy(update={"clip_skip": 8})
    with pytest.raises(WeightsError, match=r"its entry has clip_skip 8, which leaves no layer .* set it to at most 3"):
        loaders.load(entry, CPU, torch.float32)


def test_tokenizer_with_more_tokens_than_the_encoder_is_refused(toys: Catalog, tmp_path: Path) -> None:
    entry = toys.find("toy-sd1")
    folder = shutil.copytree(entry.path, tmp_path / "toy")
    file = folder / "text_encoder" / "model.safetensors"
    tensors = load_file(file)
    name = next(name for name in tensors if name.endswith("token_embedding.weight"))
    save_file(tensors | {name: tensors[name][:100].clone()}, file, metadata={"format": "pt"})
    config = folder / "text_encoder" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"vocab_size": 100}))
    with pytest.raises(WeightsError, match=r"its tokenizer has .* tokens, but its text encoder knows 100"):
        loaders.load(entry.model_copy(update={"path": folder}), CPU, torch.float32)


def test_depth_checkpoint_is_refused(toys: Catalog, tmp_path: Path) -> None:
    folder = shutil.copytree(toys.find("toy-sd1").path, tmp_path / "toy")
    config, weights = folder / "unet" / "config.json", folder / "unet" / "diffusion_pytorch_model.safetensors"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"in_channels": 5}))
    tensors = load_file(weights)
    tensors["conv_in.weight"] = torch.zeros(len(tensors["conv_in.weight"]), 5, 3, 3)
    save_file(tensors, weights)
    entry = toys.find("toy-sd1").model_copy(update={"path": folder})
    with pytest.raises(WeightsError, match="takes 5 channels, neither the 4 of plain latents nor the 9 of inpainting"):
        loaders.load(entry, CPU, torch.float32)


@pytest.mark.parametrize(("family", "millions"), [("sd1", 859.5), ("sd2", 865.9), ("sdxl", 2567.5)])
def test_configs_have_the_parameters_of_the_real_models(family: str, millions: float) -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(CONFIGS / family / "unet"))
        vae = AutoencoderKL.from_config(AutoencoderKL.load_config(CONFIGS / family / "vae"))
    assert sum(tensor.numel() for tensor in unet.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)
    assert sum(tensor.numel() for tensor in vae.parameters()) / 1e6 == pytest.approx(83.65, abs=0.01)
    encoders = sorted((CONFIGS / family).glob("text_encoder*"))
    widths = [CLIPTextConfig.from_pretrained(folder).hidden_size for folder in encoders]
    assert sum(widths) == unet.config.cross_attention_dim
