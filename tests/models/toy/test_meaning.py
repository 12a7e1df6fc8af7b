"""The trained toys follow their prompts. `training.measure` measures this on more images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    ControlNetModel,
    DPMSolverMultistepScheduler,
    StableDiffusionControlNetPipeline,
    StableDiffusionInpaintPipeline,
)

from models.toy import trained
from models.toy.single import BLOCKS, FEATURES, GROWTH
from models.toy.training import judge, pictures, upscaler, variants
from models.toy.training.matting import Matting, overlap
from models.toy.training.measure import edge_f1
from models.toy.world import COLOURS, NOUNS, Scene, Thing, caption_of

FRESH = 5000
"""Drawings from this seed on are not in any training set."""
SIZE = {"width": 128, "height": 128, "num_inference_steps": 12, "guidance_scale": 5.0, "output_type": "pt"}
SUBJECTS = (
    ("house", "red"),
    ("car", "blue"),
    ("star", "yellow"),
    ("tree", "purple"),
    ("fish", "orange"),
    ("cat", "black"),
)


def scene(noun: str, colour: str, background: str = "on the grass") -> Scene:
    return Scene([Thing(noun, colour, "", "", 0.5, 0.5, 0.62)], background, "flat", 1)


def painted(pipeline: Any, scenes: Sequence[Scene], **options: Any) -> torch.Tensor:
    """Bytes [N, 3, 128, 128], each from a seed of its own."""
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    seeds = [torch.Generator().manual_seed(seed) for seed in range(len(scenes))]
    images = pipeline([caption_of(one) for one in scenes], generator=seeds, **SIZE | options).images
    return (images * 255).round().to(torch.uint8)


def right(images: torch.Tensor, scenes: Sequence[Scene]) -> tuple[list[bool], list[bool]]:
    """For each image, whether the judge recognises the noun of its scene, and whether its colour."""
    net = judge.Judge()
    trained.fill(net, "judge")
    nouns, colours = net.float().eval()(images)
    expected = [(list(NOUNS).index(one.things[0].noun), list(COLOURS).index(one.things[0].colour)) for one in scenes]
    return (
        [int(found) == noun for found, (noun, _) in zip(nouns.argmax(1), expected, strict=True)],
        [int(found) == colour for found, (_, colour) in zip(colours.argmax(1), expected, strict=True)],
    )


def test_judge_recognises_drawings() -> None:
    scenes = judge.scenes(40, FRESH)
    nouns, colours = right(pictures.drawn(scenes), scenes)
    assert sum(nouns) >= 38
    assert sum(colours) >= 38


def test_txt2img_follows_prompts(stock: dict[str, Any]) -> None:
    scenes = [scene(noun, colour) for noun, colour in SUBJECTS]
    nouns, colours = right(painted(stock["sd1"], scenes), scenes)
    assert sum(nouns) >= 5
    assert sum(colours) >= 5


def test_inpainting_follows_prompts(models_dir: Path) -> None:
    pipeline = StableDiffusionInpaintPipeline.from_pretrained(models_dir / "toy-sd1-inpainting")
    originals = pictures.drawn([scene("moon", "white")] * len(SUBJECTS))
    scenes = [scene(noun, colour) for noun, colour in SUBJECTS]
    mask = torch.zeros(len(SUBJECTS), 1, 128, 128)
    mask[:, :, 16:112, 16:112] = 1
    images = painted(pipeline, scenes, image=originals.float() / 255, mask_image=mask, strength=1.0)
    nouns, colours = right(images, scenes)
    assert sum(nouns) >= 4
    assert sum(colours) >= 5
    change = (images.float() - originals.float()).abs()[:, :, :8].mean()
    assert change < 12


def test_controlnet_follows_edges(models_dir: Path) -> None:
    net = ControlNetModel.from_pretrained(models_dir / "toy-sd1-canny")
    pipeline = StableDiffusionControlNetPipeline.from_pretrained(models_dir / "toy-sd1", controlnet=net)
    scenes = [scene(noun, colour) for noun, colour in SUBJECTS]
    elsewhere = [
        Scene([Thing(noun, colour, "", "", 0.35, 0.6, 0.5)], "on the grass", "flat", 1) for noun, colour in SUBJECTS
    ]
    hints = variants.edges(pictures.drawn(elsewhere))
    control = hints.expand(-1, 3, -1, -1).float() / 255
    free, guided = painted(pipeline, scenes, image=0 * control), painted(pipeline, scenes, image=control)
    assert edge_f1(guided, hints) > 0.4
    assert edge_f1(guided, hints) > edge_f1(free, hints) + 0.1


def test_upscaler_beats_bicubic() -> None:
    net = upscaler.Enlarger(FEATURES, GROWTH, BLOCKS)
    trained.fill(net, "esrgan")
    better, bicubic = upscaler.gain(net.float().eval(), pictures.drawn(pictures.scenes(8, FRESH)))
    assert better > bicubic + 1


def test_matting_finds_foreground() -> None:
    net = Matting()
    trained.fill(net, "matting")
    scenes = pictures.scenes(40, FRESH)
    assert overlap(net.float().eval(), pictures.drawn(scenes, 64), pictures.silhouettes(scenes, 64)) > 0.85


@pytest.mark.parametrize(
    "name", ["judge", "matting", "esrgan", "autoencoder", "text", "unet", "unet-inpainting", "canny", "safety"]
)
def test_weights_are_float16(name: str) -> None:
    assert {tensor.dtype for tensor in trained.weights(name).values()} <= {torch.float16, torch.int64}
