import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from models.catalog import scan
from models.catalog.scan import FoundModel, Scanner
from tests.support import model_files as files
from tests.support.model_files import with_channels, with_prefix, with_vae_channels, write_model
from tests.support.ncnn_files import compact_weights, write_compact


def found(folder: Path) -> dict[str, tuple[str, Mapping[str, Any]]]:
    models, problems = Scanner().scan([folder])
    assert problems == []
    return {model.path.name: (model.family, model.fields) for model in models}


@pytest.mark.parametrize(
    ("shapes", "metadata", "family", "fields"),
    [
        (files.SD1, {}, "sd1", {}),
        (with_channels(files.SD1, 9), {}, "sd1", {}),
        (files.SD2, {}, "sd2", {}),
        (files.SD2, {"modelspec.prediction_type": "v"}, "sd2", {"prediction": "v_prediction"}),
        (files.SD2, {"modelspec.architecture": "stable-diffusion-v2-512"}, "sd2", {"prediction": "epsilon"}),
        (files.SDXL, {"modelspec.resolution": "1024x1024"}, "sdxl", {"side": 1024}),
        (files.SDXL | {"v_pred": (), "ztsnr": ()}, {}, "sdxl", {"prediction": "v_prediction"}),
        (files.LORA_SD1, {}, "lora", {"base": "sd1"}),
        (files.LORA_XL, {}, "lora", {"base": "sdxl"}),
        (files.LORA_SD1, {"ss_base_model_version": "sdxl_base_v1-0"}, "lora", {"base": "sdxl"}),
        (files.LORA_SD1, {"modelspec.trigger_phrase": "ink"}, "lora", {"base": "sd1", "trigger_words": ("ink",)}),
        ({"lora_te2_final_layer_norm.w_norm": (8,)}, {}, "lora", {"base": "sdxl"}),
        (files.EMBEDDING, {}, "embedding", {"base": "sd1"}),
        ({"clip_l": (2, 768), "clip_g": (2, 1280)}, {}, "embedding", {"base": "sdxl"}),
        (files.CONTROLNET, {}, "controlnet", {"base": "sd1"}),
        (files.IP_ADAPTER, {}, "ip_adapter", {"base": "sd1"}),
        (files.ESRGAN, {}, "upscaler", {}),
        (with_prefix("params_ema.", files.ESRGAN), {}, "upscaler", {}),
        (files.UNETS["sd1"], {}, "sd1", {}),
        (with_prefix("diffusion_model.", files.UNETS["sd2"]), {}, "sd2", {}),
        (with_prefix("unet.", files.UNETS["sdxl"]), {}, "sdxl", {}),
        (
            {"model_ema.diffusion_model" + key.replace(".", ""): shape for key, shape in files.UNETS["sd1"].items()},
            {},
            "sd1",
            {},
        ),
        (files.VAE, {}, "vae", {}),
        (
            with_prefix("first_stage_model.", files.VAE) | {"loss.logvar": ()},
            {"modelspec.architecture": "stable-diffusion-xl-v1-base/vae"},
            "vae",
            {"base": "sdxl"},
        ),
        (files.VAE | {"decoder.up_blocks.0.resnets.0.conv1.weight": (8, 8, 3, 3)}, {}, "vae", {}),
    ],
)
def test_header_tells_family_and_fields(
    tmp_path: Path, shapes: files.Shapes, metadata: dict[str, str], family: str, fields: dict[str, Any]
) -> None:
    write_model(tmp_path / "deep" / "down" / "名字 1.safetensors", shapes, metadata)
    assert found(tmp_path) == {"名字 1.safetensors": (family, fields)}


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (with_channels(files.SD1, 8), "an edit model"),
        (with_channels(files.SD2, 5), "a depth-to-image model"),
        (
            files.SDXL | {"model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (8, 1280)},
            "the refiner",
        ),
        ({"double_blocks.0.img_attn.qkv.weight": (8, 8)}, "a model of the Flux family"),
        ({"lora_unet_double_blocks_0.lora_down.weight": (4, 8)}, "a LoRA for another family"),
        (files.CONTROLNET | {"task_embedding": (8, 8)}, "a union ControlNet"),
        (with_prefix("unet.", files.CONTROLNET_UNET), "a part of a UNet"),
        (with_vae_channels(16), "a VAE for another family"),
        ({"a": (1,), "b": (1,)}, "no model that is known here (its first keys: a, b)"),
    ],
)
def test_unsupported_file_is_named(tmp_path: Path, shapes: files.Shapes, message: str) -> None:
    write_model(tmp_path / "x.safetensors", shapes)
    models, [problem] = Scanner().scan([tmp_path])
    assert models == []
    assert f"x.safetensors is {message}" in problem.message


def test_pickles_torn_files_and_links_to_folders_are_problems(tmp_path: Path) -> None:
    models = tmp_path / "models"
    torn = write_model(models / "torn.safetensors", files.SD1)
    torn.write_bytes(torn.read_bytes()[:-3])
    (models / "old.ckpt").write_bytes(b"\x80")
    (models / "linked").symlink_to("/")
    (models / "notes.txt").write_text("no model")
    (models / ".hidden.safetensors").write_text("no model")
    good, problems = Scanner().scan([models])
    assert good == []
    messages = {problem.path.name: problem.message for problem in problems}
    assert messages.keys() == {"torn.safetensors", "old.ckpt", "linked"}
    assert "is a pickle" in messages["old.ckpt"]
    assert "name it in HUA_MODELS_DIR" in messages["linked"]


def test_diffusers_folders_are_one_model_each(models_dir: Path) -> None:
    models = found(models_dir)
    checkpoints = {name: family for name, (family, _) in models.items() if family.startswith("sd")}
    assert checkpoints == {"toy-sd1": "sd1", "toy-sd1-inpainting": "sd1", "toy-sd2": "sd2", "toy-sdxl": "sdxl"}
    assert models["toy-sdxl-canny"] == ("controlnet", {"base": "sdxl", "hint": "canny"})
    assert models["toy-blip"][0] == "captioner"
    assert "toy-clip-vision" not in models


@pytest.mark.parametrize(("toy", "fields"), [("toy-sd2", {}), ("toy-sdxl", {"base": "sdxl"})])
def test_config_of_a_vae_tells_whether_it_is_for_sdxl(
    toy: str, fields: dict[str, str], models_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(models_dir / toy / "vae", tmp_path / "one")
    assert found(tmp_path) == {"one": ("vae", fields)}


def test_second_scan_sees_changes(tmp_path: Path) -> None:
    scanner, file = Scanner(), tmp_path / "x.safetensors"
    write_model(file, files.SD1)
    assert [model.family for model in scanner.scan([tmp_path])[0]] == ["sd1"]
    write_model(file, files.SDXL)
    write_model(tmp_path / "y.safetensors", files.ESRGAN)
    assert [model.family for model in scanner.scan([tmp_path])[0]] == ["sdxl", "upscaler"]
    file.unlink()
    assert scanner.scan([tmp_path])[0] == [FoundModel((tmp_path / "y.safetensors").resolve(), "upscaler", {})]
    shutil.rmtree(tmp_path)
    assert scanner.scan([tmp_path]) == ([], [])


def test_file_that_is_being_copied_is_no_problem_until_it_has_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanner, whole = Scanner(), write_model(tmp_path / "away" / "x", files.SD1).read_bytes()
    assert scanner.scan([tmp_path]) == ([], [])
    file = tmp_path / "x.safetensors"
    file.write_bytes(whole[:-9])
    assert scanner.scan([tmp_path]) == ([], [])
    file.write_bytes(whole)
    [model], problems = scanner.scan([tmp_path])
    assert (model.family, problems) == ("sd1", [])
    file.write_bytes(whole[:-9])
    assert scanner.scan([tmp_path]) == ([model], [])  # what it replaces is listed until it is whole
    long_ago = time.time() - 2 * scan.SETTLE_S
    os.utime(file, (long_ago, long_ago))
    models, [problem] = scanner.scan([tmp_path])
    assert (models, problem.path) == ([], file)


def test_file_that_was_torn_before_the_first_scan_stays_a_problem(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"torn")
    scanner = Scanner()
    assert len(scanner.scan([tmp_path])[1]) == 1
    assert len(scanner.scan([tmp_path])[1]) == 1


def test_folder_whose_copy_goes_on_inside_is_seen_whole(tmp_path: Path) -> None:
    folder, scanner = tmp_path / "sd", Scanner()
    folder.mkdir()
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    assert len(scanner.scan([tmp_path])[1]) == 1
    (folder / "unet").mkdir()
    unet = {
        "conv_in.weight": (8, 4, 3, 3),
        "down_blocks.0.attentions.0.proj_in.weight": (8, 8, 1, 1),
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (8, 768),
    }
    torn = write_model(folder / "unet" / "diffusion_pytorch_model.safetensors", unet)
    whole = torn.read_bytes()
    torn.write_bytes(whole[:-9])
    assert scanner.scan([tmp_path]) == ([], [])
    torn.write_bytes(whole)
    assert [model.family for model in scanner.scan([tmp_path])[0]] == ["sd1"]


def test_pickle_that_was_converted_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "ink.ckpt").write_bytes(b"x")
    scanner = Scanner()
    assert [problem.path.name for problem in scanner.scan([tmp_path])[1]] == ["ink.ckpt"]
    files.write_model(tmp_path / "ink.safetensors", files.LORA_SD1)
    models, problems = scanner.scan([tmp_path])
    assert [model.path.name for model in models] == ["ink.safetensors"]
    assert problems == []


def test_ncnn_pair_is_one_model(tmp_path: Path) -> None:
    write_compact(tmp_path / "x4.param", compact_weights())
    (tmp_path / "old.bin").write_bytes(b"\x80\x02")
    models, [problem] = Scanner().scan([tmp_path])
    assert models == [FoundModel((tmp_path / "x4.param").resolve(), "upscaler", {})]
    assert problem.message.startswith("old.bin is a pickle")


def test_second_scan_sees_the_missing_half_of_an_ncnn_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "SETTLE_S", 0.0)
    param, scanner = write_compact(tmp_path / "x4.param", compact_weights()), Scanner()
    weights = param.with_suffix(".bin").rename(tmp_path / "elsewhere")
    assert "x4.bin is missing; put it beside it" in scanner.scan([tmp_path])[1][0].message
    weights.rename(param.with_suffix(".bin"))
    assert len(scanner.scan([tmp_path])[0]) == 1
    text = param.read_text()
    param.unlink()
    [problem] = scanner.scan([tmp_path])[1]
    assert problem.message == (
        "x4.bin is half of an ncnn model, whose other half is x4.param; x4.param is missing, put it beside it"
    )
    param.write_text(text.replace("PixelShuffle", "Softmax"))
    [problem] = scanner.scan([tmp_path])[1]
    assert "x4.param is an ncnn net of an architecture that is not known here" in problem.message
