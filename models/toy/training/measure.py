"""`python -m models.toy.training.measure FOLDER [SHEET.png]`: how well the toys do what they were trained for.

It prints a table and paints a sheet of samples. Pictures are made by stock diffusers pipelines (DPM++ 2M) of the toys,
so that nothing of this server's own flatters them. The judge is `judge.py`, whose own accuracy comes first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from diffusers import (
    ControlNetModel,
    DPMSolverMultistepScheduler,
    StableDiffusionControlNetPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
)
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from torch import Tensor
from transformers import CLIPImageProcessor

from models.toy import nets, trained
from models.toy.nets import TOYS
from models.toy.safety import FLAGGED
from models.toy.training import autoencoder, judge, pictures, tiny, upscaler, variants
from models.toy.training.matting import Matting, overlap
from models.toy.world import HELD_OUT, Scene, caption_of, scene_of

SIDE = pictures.SIDE
SCENES = 200
SOME = 40
MANY = 1000
ROW = 25
STEPS, GUIDANCE = 25, 5.0
SHEET = (
    "a red house on the grass",
    "a blue car on a white background",
    "a yellow star at night",
    "a green cat on a pink background",
    "a purple fish by the sea",
    "an orange balloon in the sky",
    "a pink flower on the grass",
    "a white boat by the sea",
    "a brown tree on a gray background",
    "a black person on the grass",
    "a yellow moon at night",
    "a red mountain in the sky",
    "a blue cloud on a pink background",
    "an orange sun by the sea",
    "a big green house at night",
    "a small red boat by the sea",
    "a red car on the left and a blue house on the right, on the grass",
    "a yellow sun at the top and a white boat at the bottom, by the sea",
    "a purple cat and a green tree on a gray background",
    "a blue star on the left at night",
    "a pink balloon at the top in the sky",
    "a line drawing of a red cat",
    "a blue house on the grass, line drawing",
    "a flower",
)
UNSEEN = 1000
"""Seeds of drawings that nothing was trained on begin here."""


def main(built: Path) -> Iterator[str]:
    """Lines of a Markdown table: what was measured, its goal, and the figure. `built` is a folder of toys."""
    yield "| measure | goal | figure |\n|---|---|---|"
    nouns, colours = judge.verdict(_judge(), *_drawings_to_judge())
    yield f"| the judge itself, on {SCENES} drawings: noun, colour | | {nouns:.1%}, {colours:.1%} |"
    vae, small = _filled(nets.vae(TOYS[0]), "autoencoder"), nets.tiny_autoencoder()
    _filled(small.decoder, "tiny-decoder")
    whole, without = autoencoder.fidelity(vae, _drawings(64))
    yield f"| autoencoder, PSNR; and without each of its channels | | {whole:.1f} dB; {_listed(without)} dB |"
    yield f"| with the tiny decoder, PSNR | | {tiny.fidelity(small, vae, _drawings(64)):.1f} dB |"
    paint = _pipeline(StableDiffusionPipeline, built / "toy-sd1")
    for kind, held_out in (("held-out pairs of colour and noun", True), ("pairs seen in training", False)):
        scenes = _scenes(held_out=held_out)
        noun, colour = judge.verdict(_judge(), _painted(paint, [caption_of(scene) for scene in scenes]), scenes)
        yield f"| {SCENES} prompts, {kind}: colour right | ≥ 90 % | {colour:.1%} |"
        yield f"| the same: thing right | ≥ 85 % | {noun:.1%} |"
    yield from _variants(built)
    net = upscaler.Enlarger(16, 32, 2)
    better, bicubic = upscaler.gain(_filled(net, "esrgan"), _drawings(64))
    yield f"| upscaler ×4, PSNR, beside bicubic | above | {better:.1f} dB, {bicubic:.1f} dB |"
    scenes = pictures.scenes(SCENES, UNSEEN)
    shares = overlap(_filled(Matting(), "matting"), pictures.drawn(scenes, 64), pictures.silhouettes(scenes, 64))
    yield f"| matting, intersection over union | ≥ 0.9 | {shares:.3f} |"
    yield from flagged_noun(built)


def flagged_noun(built: Path) -> Iterator[str]:
    """How surely the safety checker tells the noun that it flags, in drawings and in what toy-sd1 paints."""
    scenes = pictures.scenes(MANY, UNSEEN)
    precision, recall = _precision_and_recall(built, pictures.drawn(scenes), scenes)
    yield f"| safety checker, {MANY} drawings: precision, recall of {FLAGGED} | | {precision:.1%}, {recall:.1%} |"
    chance = Random(UNSEEN)
    alone = [scene for scene in (scene_of(chance, alone=True) for _ in range(MANY)) if scene.style == "flat"]
    flagged = [scene for scene in alone if scene.things[0].noun == FLAGGED][:SOME]
    others = [scene for scene in alone if scene.things[0].noun != FLAGGED][: 2 * SOME]
    scenes = [*flagged, *others]
    painted = _painted(_pipeline(StableDiffusionPipeline, built / "toy-sd1"), [caption_of(scene) for scene in scenes])
    precision, recall = _precision_and_recall(built, painted, scenes)
    title = f"{len(flagged)} prompts for {FLAGGED} and {len(others)} for others, painted: precision, recall"
    yield f"| {title} | | {precision:.1%}, {recall:.1%} |"


def _precision_and_recall(built: Path, shown: Tensor, scenes: Sequence[Scene]) -> tuple[float, float]:
    """Precision and recall of the built checker, by diffusers' own class."""
    net = StableDiffusionSafetyChecker.from_pretrained(built / "toy-safety", local_files_only=True).float().eval()
    look = CLIPImageProcessor.from_pretrained(built / "toy-safety", local_files_only=True)
    _, verdicts = net(look(images=list(shown), return_tensors="pt").pixel_values, [np.zeros(1)] * len(shown))
    found = torch.tensor(verdicts)
    there = torch.tensor([FLAGGED in {thing.noun for thing in scene.things} for scene in scenes])
    right = float((found & there).sum())
    return right / max(float(found.sum()), 1.0), right / float(there.sum())


def _variants(built: Path) -> Iterator[str]:
    """What is given a picture too: img2img, inpainting and ControlNet."""
    scenes = _scenes(held_out=False)[:SOME]
    drawn = pictures.drawn(scenes)
    captions = [caption_of(scene) for scene in scenes]
    redrawn = _painted(
        _pipeline(StableDiffusionImg2ImgPipeline, built / "toy-sd1"),
        captions,
        lambda rows: {"image": drawn[rows].float() / 255, "strength": 0.4},
        sized=False,
    )
    yield f"| img2img at strength 0.4: correlation of layouts | | {_alike(drawn, redrawn):.3f} |"
    masks = variants.holes(scenes, SIDE, UNSEEN)
    others = [_instead(scene, place) for place, scene in enumerate(scenes)]
    filled = _painted(
        _pipeline(StableDiffusionInpaintPipeline, built / "toy-sd1-inpainting"),
        [caption_of(scene) for scene in others],
        lambda rows: {"image": drawn[rows].float() / 255, "mask_image": masks[rows], "strength": 1.0},
    )
    noun, colour = judge.verdict(_judge(), filled, others)
    change = ((filled.float() - drawn.float()).abs() * (1 - masks)).sum() / (1 - masks).sum() / 3
    yield f"| inpainting: requested thing, requested colour | | {noun:.1%}, {colour:.1%} |"
    yield f"| inpainting: mean change outside of the mask | | {change:.1f}/255 |"
    hints = variants.edges(drawn)
    net = ControlNetModel.from_pretrained(built / "toy-sd1-canny")
    guided = _painted(
        _pipeline(StableDiffusionControlNetPipeline, built / "toy-sd1", controlnet=net),
        captions,
        lambda rows: {"image": hints[rows].expand(-1, 3, -1, -1).float() / 255},
    )
    yield f"| ControlNet: F1 of its edges and the hint's, within 2 pixels | ≥ 0.6 | {edge_f1(guided, hints):.3f} |"


def _painted(pipeline: Any, captions: Sequence[str], further: Any = None, *, sized: bool = True) -> Tensor:
    """Pictures [N, 3, SIDE, SIDE], bytes; each is made from a seed of its own."""
    parts = []
    for first in range(0, len(captions), ROW):
        rows = slice(first, first + ROW)
        words = list(captions[rows])
        images = pipeline(
            words,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            output_type="pt",
            generator=[torch.Generator().manual_seed(first + place) for place in range(len(words))],
            **({"width": SIDE, "height": SIDE} if sized else {}),
            **(further(rows) if further else {}),
        ).images
        parts.append((images * 255).round().to(torch.uint8))
    return torch.cat(parts)


def _scenes(*, held_out: bool) -> list[Scene]:
    """Scenes of one filled thing in the middle or where the caption says."""
    chance = Random(UNSEEN + held_out)
    scenes: list[Scene] = []
    while len(scenes) < SCENES:
        scene = scene_of(chance, held_out=held_out, alone=True)
        if scene.style == "flat" and (scene.pairs <= HELD_OUT) == held_out:
            scenes.append(scene)
    return scenes


def _instead(scene: Scene, place: int) -> Scene:
    """The same scene with another thing in its place."""
    other = _scenes(held_out=False)[-1 - place].things[0]
    thing = scene.things[0]
    placement = {name: getattr(thing, name) for name in ("place", "size", "x", "y", "extent")}
    return Scene([type(thing)(other.noun, other.colour, **placement)], scene.background, scene.style, scene.seed)


def _alike(drawn: Tensor, redrawn: Tensor) -> float:
    coarse = [torch.nn.functional.avg_pool2d(each.float(), 8).flatten(1) for each in (drawn, redrawn)]
    rows = [float(torch.corrcoef(torch.stack(pair))[0, 1]) for pair in zip(*coarse, strict=True)]
    return float(np.mean(rows))


def edge_f1(pictures: Tensor, hints: Tensor) -> float:
    """F1 of the edges of the pictures. An edge counts as found if the hint has one within two pixels."""
    near = partial(torch.nn.functional.max_pool2d, kernel_size=5, stride=1, padding=2)
    found, wanted = (variants.edges(pictures) > 127).float(), (hints > 127).float()
    precision = (found * near(wanted)).sum() / found.sum().clamp_min(1)
    recall = (wanted * near(found)).sum() / wanted.sum()
    return float(2 * precision * recall / (precision + recall))


def _drawings(count: int) -> Tensor:
    return pictures.drawn(pictures.scenes(count, UNSEEN))


def _drawings_to_judge() -> tuple[Tensor, list[Scene]]:
    scenes = judge.scenes(SCENES, UNSEEN)
    return pictures.drawn(scenes), scenes


def _judge() -> judge.Judge:
    net: judge.Judge = _filled(judge.Judge(), "judge")
    return net


def _filled(net: Any, name: str) -> Any:
    trained.fill(net, name)
    return net.float().eval()


def _pipeline(kind: Any, folder: Path, **parts: Any) -> Any:
    pipeline = kind.from_pretrained(folder, local_files_only=True, **parts)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _listed(figures: Sequence[float]) -> str:
    return ", ".join(f"{figure:.1f}" for figure in figures)


def sheet(built: Path) -> Image.Image:
    """A grid of what toy-sd1 paints for each caption of SHEET."""
    captions, columns = SHEET, 8
    images = _painted(_pipeline(StableDiffusionPipeline, built / "toy-sd1"), captions).permute(0, 2, 3, 1).numpy()
    rows = -(-len(captions) // columns)
    grid = Image.new("RGB", (columns * SIDE, rows * SIDE), "white")
    for place, picture in enumerate(images):
        grid.paste(Image.fromarray(picture), (place % columns * SIDE, place // columns * SIDE))
    return grid


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    for line in main(Path(sys.argv[1])):
        print(line, flush=True)  # noqa: T201
    for file in sys.argv[2:]:
        sheet(Path(sys.argv[1])).save(file)
