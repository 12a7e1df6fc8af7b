import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models import catalog
from models.catalog.catalog import Catalog
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from models.toy import build as toy

ESRGAN = "toy-esrgan.safetensors"


def fingerprint(folder: Path) -> dict[str, str]:
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_catalog_lists_toys(toys: Catalog, models_dir: Path) -> None:
    assert [(entry.name, entry.family) for entry in toys] == [
        ("toy-sd1", "sd1"),
        ("toy-sd2", "sd2"),
        ("toy-sdxl", "sdxl"),
        ("toy-sd1-inpainting", "sd1"),
        ("toy-esrgan", "upscaler"),
        ("toy-depth", "annotator"),
        ("toy-normal", "annotator"),
        ("toy-softedge", "annotator"),
        ("toy-lineart", "annotator"),
        ("toy-mlsd", "annotator"),
        ("toy-pose", "annotator"),
        ("toy-sd1-canny", "controlnet"),
        ("toy-sd1-depth", "controlnet"),
        ("toy-sd1-tile", "controlnet"),
        ("toy-sd1-pose", "controlnet"),
        ("toy-sd1-mlsd", "controlnet"),
        ("toy-sd1-normal", "controlnet"),
        ("toy-sd1-softedge", "controlnet"),
        ("toy-sd1-lineart", "controlnet"),
        ("toy-sd1-scribble", "controlnet"),
        ("toy-sd1-qr", "controlnet"),
        ("toy-sd1-brightness", "controlnet"),
        ("toy-sdxl-canny", "controlnet"),
        ("toy-ip", "ip_adapter"),
        ("toy-ip-plus", "ip_adapter"),
        ("toy-ip-xl", "ip_adapter"),
        ("toy-taesd", "decoder"),
        ("toy-vae", "vae"),
        ("toy-lama", "lama"),
        ("toy-neon", "lora"),
        ("toy-lora", "lora"),
        ("toy-lora-peft", "lora"),
        ("toy-lora-xl", "lora"),
        ("toy-embedding", "embedding"),
        ("toy-embedding-xl", "embedding"),
        ("toy-matting", "matting"),
        ("toy-face", "face"),
        ("toy-blip", "captioner"),
        ("toy-gpt2", "enhancer"),
        ("toy-safety", "safety"),
    ]
    assert toys.find(ModelRef(CHECKPOINT, "v1.5", inpainting=True)) is toys.find("toy-sd1-inpainting")
    assert toys.default is toys.find("v1.5") is toys.find("general") is toys.find("basic")
    hosted = ("dreamlike_v1", "anime", "anime_anything", "anime_hybrid", "anime_guofeng", "anime_orange", "art", "real")
    assert {toys.find(name).name for name in hosted} == {"toy-sd1"}
    assert sum(file.stat().st_size for file in models_dir.rglob("*") if file.is_file()) < 80 << 20


def test_second_build_only_adds_missing_toys(models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy, "TOYS", toy.TOYS[:1])
    monkeypatch.setattr(toy, "TOY_GUIDES", {})
    monkeypatch.setattr(toy, "ADDITIONS", {})
    monkeypatch.setattr(toy, "SPEAKERS", {})
    monkeypatch.setattr(toy, "ENCODERS", {})
    monkeypatch.setattr(toy, "CHECKERS", {})
    monkeypatch.setattr(toy, "DECODERS", {})
    monkeypatch.setattr(toy, "IP_ADAPTERS", {})
    monkeypatch.setattr(toy, "TOY_ANNOTATORS", {})
    monkeypatch.setattr(toy, "SINGLE_NETS", {ESRGAN: toy.SINGLE_NETS[ESRGAN]})
    (tmp_path / "models.yaml").write_text("models: [{name: mine, path: toy-sd1, family: sd1}]\n")
    state = torch.random.get_rng_state()
    toy.build(tmp_path)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert fingerprint(tmp_path / "toy-sd1") == fingerprint(models_dir / "toy-sd1")
    assert (tmp_path / ESRGAN).read_bytes() == (models_dir / ESRGAN).read_bytes()
    toy.build(tmp_path)
    assert catalog.read(tmp_path).find("").name == "mine"
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "models.yaml",
        ESRGAN,
        "toy-face.onnx",
        "toy-matting.onnx",
        "toy-sd1",
    ]


def test_interrupted_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(toy, "fill", interrupt)
    with pytest.raises(KeyboardInterrupt):
        toy.build(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_diffusers_pipelines_run_toys(family: str, stock: dict[str, Any]) -> None:
    pipeline = stock[family]
    pipeline.set_progress_bar_config(disable=True)
    images = {
        prompt: pipeline(
            prompt,
            num_inference_steps=4,
            width=128,
            height=128,
            output_type="np",
            generator=torch.Generator().manual_seed(1),
        ).images[0]
        for prompt in ("a red apple on a table", "a blue cat, watercolor")
    }
    one, other = images.values()
    assert np.isfinite(one).all()
    assert one.std(axis=(0, 1)).min() > 0.05
    assert 0.1 < one.mean() < 0.9
    assert np.abs(one - other).max() > 0.05


def test_sd2_predicts_velocity(toys: Catalog) -> None:
    config = json.loads((toys.find("toy-sd2").path / "scheduler" / "scheduler_config.json").read_text())
    assert config["prediction_type"] == "v_prediction"


def test_autoencoder_reconstructs_images(stock: dict[str, Any]) -> None:
    from models.toy.fit import scenes

    with torch.random.fork_rng(devices=()):
        torch.manual_seed(5)
        pictures = scenes(4, 128)
    vae = stock["sd1"].vae
    returned = vae.decode(vae.encode(pictures).latent_dist.mean).sample
    coarse = [torch.nn.functional.avg_pool2d(images, 16).flatten() for images in (pictures, returned)]
    assert np.corrcoef(*(values.numpy() for values in coarse))[0, 1] > 0.8
