"""Toy checkpoints: the real architectures at a size that a laptop's CPU runs in tenths of a second.

`build` fills a folder with `toy-sd1`, `toy-sd2`, `toy-sdxl` and `toy-sd1-inpainting`, diffusers folders
that any diffusers pipeline loads, with ControlNets (`control.py`), IP-Adapters (`ip_adapter.py`) and a tiny decoder
(`toy-taesd`) for them, with `toy-esrgan` and `toy-lama`, files that spandrel's architectures fit, with the LoRAs and
embeddings of `additions.py`, with the annotators of `annotators.py`, with `toy-matting` and `toy-face`, ONNX nets, with
`toy-blip` and `toy-gpt2`, folders that transformers loads, with `toy-safety`, which flags fish, and with a
`models.yaml` that names them. Weights are random but for the last convolutions of diffusion, which are fitted in closed
form (`fit.py`), so that pictures show soft coloured shapes instead of grey noise, for annotators that are set by hand,
and for the nets that `training` taught.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from transformers.utils import logging as transformers_logging

from models.toy import nets
from models.toy.additions import ADDITIONS
from models.toy.annotators import TOY_ANNOTATORS
from models.toy.control import TOY_GUIDES
from models.toy.fit import fit_autoencoder, fit_denoiser
from models.toy.ip_adapter import ENCODERS, IP_ADAPTERS
from models.toy.nets import TOYS, Toy
from models.toy.onnx_nets import face_detector, matting
from models.toy.safety import CHECKERS
from models.toy.single import SINGLE_NETS
from models.toy.speakers import SPEAKERS
from models.toy.tokenizer import clip_tokenizer
from models.toy.trained import fill, weights

SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.42.1",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "clip_sample": False,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}

MODELS_YAML = """\
# Which models this server has. Users say these names, never paths.
models:
  - name: toy-sd1
    path: toy-sd1
    family: sd1
    title: "Toy SD 1"
    aliases:
      [v1.5, general, basic, art, real, dreamlike_v1,
       anime, 3danime, anime_anything, anime_hybrid, anime_guofeng, anime_orange]
    side: 128
    default: true
    inpainting: toy-sd1-inpainting
  - {name: toy-sd2, path: toy-sd2, family: sd2, title: "Toy SD 2 (v-prediction)"}
  - {name: toy-sdxl, path: toy-sdxl, family: sdxl, title: "Toy SDXL"}
  - {name: toy-sd1-inpainting, path: toy-sd1-inpainting, family: sd1, side: 128, title: "Toy SD 1 for inpainting"}
  - name: toy-esrgan
    path: toy-esrgan.safetensors
    family: upscaler
    title: "Toy ESRGAN ×4"
    aliases: [esr, esr_anime, ultrasharp]
  - {name: toy-depth, path: toy-depth, family: annotator, hint: depth}
  - {name: toy-normal, path: toy-depth, family: annotator, hint: normal}
  - {name: toy-softedge, path: toy-softedge.safetensors, family: annotator, hint: softedge}
  - {name: toy-lineart, path: toy-lineart.safetensors, family: annotator, hint: lineart}
  - {name: toy-mlsd, path: toy-mlsd.safetensors, family: annotator, hint: mlsd}
  - {name: toy-pose, path: toy-pose.safetensors, family: annotator, hint: pose}
  - {name: toy-sd1-canny, path: toy-sd1-canny, family: controlnet, for: sd1, hint: canny}
  - {name: toy-sd1-depth, path: toy-sd1-depth, family: controlnet, for: sd1, hint: depth}
  - {name: toy-sd1-tile, path: toy-sd1-tile, family: controlnet, for: sd1, hint: tile}
  - {name: toy-sd1-pose, path: toy-sd1-depth, family: controlnet, for: sd1, hint: pose}
  - {name: toy-sd1-mlsd, path: toy-sd1-depth, family: controlnet, for: sd1, hint: mlsd}
  - {name: toy-sd1-normal, path: toy-sd1-depth, family: controlnet, for: sd1, hint: normal}
  - {name: toy-sd1-softedge, path: toy-sd1-depth, family: controlnet, for: sd1, hint: softedge}
  - {name: toy-sd1-lineart, path: toy-sd1-depth, family: controlnet, for: sd1, hint: lineart}
  - {name: toy-sd1-scribble, path: toy-sd1-depth, family: controlnet, for: sd1, hint: scribble}
  - {name: toy-sd1-qr, path: toy-sd1-canny, family: controlnet, for: sd1, hint: qr}
  - {name: toy-sd1-brightness, path: toy-sd1-canny, family: controlnet, for: sd1, hint: brightness}
  - {name: toy-sdxl-canny, path: toy-sdxl-canny, family: controlnet, for: sdxl, hint: canny}
  - {name: toy-ip, path: toy-ip.safetensors, family: ip_adapter, for: sd1, encoder: toy-clip-vision}
  - {name: toy-ip-plus, path: toy-ip-plus.safetensors, family: ip_adapter, for: sd1, encoder: toy-clip-vision}
  - {name: toy-ip-xl, path: toy-ip-xl.safetensors, family: ip_adapter, for: sdxl, encoder: toy-clip-vision}
  - {name: toy-taesd, path: toy-taesd, family: decoder, for: sd1, title: "Toy tiny decoder"}
  - {name: toy-vae, path: toy-sd2/vae, family: vae, title: "Toy VAE: that of toy-sd2"}
  - {name: toy-lama, path: toy-lama.safetensors, family: lama, title: "Toy LaMa", aliases: [lama]}
  - {name: toy-neon, path: toy-neon.safetensors, family: lora, for: sd1, title: "Toy LoRA: neon", aliases: [neon]}
  - {name: toy-lora, path: toy-lora.safetensors, family: lora, for: sd1, title: "Toy LoRA"}
  - {name: toy-lora-peft, path: toy-lora-peft.safetensors, family: lora, for: sd1, title: "Toy LoRA, UNet only"}
  - {name: toy-lora-xl, path: toy-lora-xl.safetensors, family: lora, for: sdxl, title: "Toy LoRA for SDXL"}
  - name: toy-embedding
    path: toy-embedding.safetensors
    family: embedding
    for: sd1
    title: "Toy embedding"
    aliases: [easynegative]
  - {name: toy-embedding-xl, path: toy-embedding-xl.safetensors, family: embedding, for: sdxl}
  - {name: toy-matting, path: toy-matting.onnx, family: matting, title: "Toy matting", aliases: [matting]}
  - {name: toy-face, path: toy-face.onnx, family: face, title: "Toy face detector", aliases: [face]}
  - {name: toy-blip, path: toy-blip, family: captioner, title: "Toy BLIP", aliases: [captioner]}
  - {name: toy-gpt2, path: toy-gpt2, family: enhancer, title: "Toy GPT-2", aliases: [enhancer]}
  - {name: toy-safety, path: toy-safety, family: safety, title: "Toy safety checker: it flags fish"}
"""


def tiny_decoder(folder: Path) -> None:
    net = nets.tiny_autoencoder()
    fill(net.decoder, "tiny-decoder")
    net.half().save_pretrained(folder)


DECODERS = {"toy-taesd": tiny_decoder}


Builder = Callable[[Path], None]
"""Writes a toy to this path."""


def build(folder: Path, report: Callable[[str], None] = lambda line: None) -> None:
    """Adds the missing toys to `folder`. A killed build leaves no incomplete toy.

    A `models.yaml` that is there already is left alone. `report` gets a line such as `3/31 toy-sdxl` after each toy.
    """
    transformers_logging.disable_progress_bar()
    folder.mkdir(parents=True, exist_ok=True)
    missing = {name: builder for name, builder in _builders().items() if not (folder / name).exists()}
    for number, (name, builder) in enumerate(missing.items(), start=1):
        builder(folder / name)
        report(f"{number}/{len(missing)} {name}")


def _builders() -> dict[str, Builder]:
    """By file name; `models.yaml`, which shows that all are there, is the last."""
    builders: dict[str, Builder] = {toy.name: partial(_build_folder, toy.seed, partial(_save, toy)) for toy in TOYS}
    builders |= {name: partial(_build_folder, seed, builder) for name, (seed, builder) in TOY_GUIDES.items()}
    folders = {**SPEAKERS, **ENCODERS, **DECODERS, **CHECKERS}
    builders |= {name: partial(_build_folder, 0, builder) for name, builder in folders.items()}
    nets = {**SINGLE_NETS, **ADDITIONS, **IP_ADAPTERS, **TOY_ANNOTATORS}
    builders |= {name: partial(_build_file, make) for name, make in nets.items()}
    builders["toy-matting.onnx"] = lambda file: _write(file, matting(weights("matting")))
    builders["toy-face.onnx"] = lambda file: _write(file, face_detector())
    builders["models.yaml"] = lambda file: _write(file, MODELS_YAML.encode())
    return builders


def _build_folder(seed: int, builder: Builder, folder: Path) -> None:
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            builder(part)
        part.chmod(0o755)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _build_file(make: Callable[[], dict[str, torch.Tensor]], file: Path) -> None:
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        _write(file, save({name: tensor.contiguous() for name, tensor in make().items()}))


def _write(file: Path, content: bytes) -> None:
    part = file.with_name(f".{file.name}.part")
    part.write_bytes(content)
    part.rename(file)


def _save(toy: Toy, folder: Path) -> None:
    """Saves UNet and VAE in float16, text encoders in float32, because transformers loads the saved dtype."""
    vae, unet = nets.vae(toy), nets.unet(toy)
    if toy.trained:
        fill(vae, "autoencoder")
        fill(unet, "unet" if toy.inputs == 4 else "unet-inpainting")
    else:
        fit_autoencoder(vae)
        fit_denoiser(unet, vae, SCHEDULER, toy.prediction)
    classes = {
        "unet": ("diffusers", "UNet2DConditionModel"),
        "vae": ("diffusers", "AutoencoderKL"),
        "scheduler": ("diffusers", SCHEDULER["_class_name"]),
    }
    unet.half().save_pretrained(folder / "unet")
    vae.half().save_pretrained(folder / "vae")
    for index, (pad, width) in enumerate(zip(toy.pads, toy.widths, strict=True)):
        suffix = f"_{index + 1}" if index else ""
        tokenizer = clip_tokenizer(pad)
        tokenizer.save_pretrained(folder / f"tokenizer{suffix}")
        encoder = nets.text_encoder(toy, width, len(tokenizer), projection=index == 1)
        if toy.trained:
            fill(encoder, "text")
        encoder.save_pretrained(folder / f"text_encoder{suffix}")
        classes[f"tokenizer{suffix}"] = ("transformers", "CLIPTokenizer")
        classes[f"text_encoder{suffix}"] = ("transformers", type(encoder).__name__)
    _write_json(folder / "scheduler" / "scheduler_config.json", {**SCHEDULER, "prediction_type": toy.prediction})
    _write_json(folder / "model_index.json", _model_index(toy, classes))


def _model_index(toy: Toy, classes: dict[str, Any]) -> dict[str, Any]:
    if toy.family == "sdxl":
        pipeline, options = "StableDiffusionXLPipeline", {"force_zeros_for_empty_prompt": True}
    else:
        pipeline = "StableDiffusionPipeline" if toy.inputs == 4 else "StableDiffusionInpaintPipeline"
        options = {"requires_safety_checker": False}
    absent = (None, None)
    optional = {"feature_extractor": absent, "image_encoder": absent}
    if toy.family != "sdxl":
        optional["safety_checker"] = absent
    return {"_class_name": pipeline, "_diffusers_version": "0.42.1", **classes, **optional, **options}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
