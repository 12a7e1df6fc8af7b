"""The toy family, part by part: what each learns from, for how long, and where its weights go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from random import Random
from typing import TypeVar

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextModel

from models.toy import nets, trained
from models.toy.build import SCHEDULER
from models.toy.nets import TOYS
from models.toy.onnx_nets import SIDE
from models.toy.safety import checker
from models.toy.single import BLOCKS, FEATURES, GROWTH, enlarging_softly
from models.toy.tokenizer import clip_tokenizer
from models.toy.training import autoencoder, judge, pictures, safety, style, text, tiny, upscaler, variants
from models.toy.training.denoiser import WEIGHT, Lessons, train_denoiser
from models.toy.training.matting import Matting, train_matting
from models.toy.world import Scene, caption_of

SCENES = 20_000
"""Drawings that the painters learn from; twice as many captions."""
CAPTIONS = 2
FEW = 6_000
"""Drawings for nets that look at crops or at small pictures."""
SEEDS = {
    "autoencoder": 1,
    "text": 2,
    "painter": 11,
    "captions": 5,
    "judge": 21,
    "matting": 31,
    "upscaler": 41,
    "neon": 51,
    "safety": 61,
    "tiny": 61,
}
STEPS = {
    "autoencoder": 2500,
    "text": 1000,
    "unet": 5000,
    "inpainting": 700,
    "canny": 1200,
    "neon": 250,
    "tiny": 1200,
    "upscaler": 800,
    "matting": 700,
    "judge": 800,
    "safety": 3000,
}


Net = TypeVar("Net", bound=nn.Module)


class Family:
    """The nets under training. `folder` keeps drawings, encodings and half-done courses."""

    def __init__(self, folder: Path, scale: float = 1.0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._scale = folder, scale

    def steps(self, part: str) -> int:
        return max(2, round(STEPS[part] * self._scale))

    def state(self, part: str) -> Path:
        return self.folder / f"{part}.pt"

    @cached_property
    def scenes(self) -> list[Scene]:
        return pictures.scenes(SCENES, SEEDS["painter"])

    @cached_property
    def drawings(self) -> Tensor:
        return self.cached("drawings", lambda: pictures.drawn(self.scenes))

    @cached_property
    def autoencoder(self) -> AutoencoderKL:
        return _frozen(nets.vae(TOYS[0]), "autoencoder")

    @cached_property
    def text(self) -> CLIPTextModel:
        return _frozen(nets.text_encoder(TOYS[0], TOYS[0].widths[0], len(clip_tokenizer()), projection=False), "text")

    def unet(self) -> UNet2DConditionModel:
        """The trained one, with the attention that is fastest to train."""
        unet = _frozen(nets.unet(TOYS[0]), "unet")
        unet.set_attn_processor(AttnProcessor())
        return unet

    @cached_property
    def lessons(self) -> Lessons:
        latents = self.cached("latents", lambda: encoded_pictures(self.autoencoder, self.drawings))
        shares = self.cached("shares", lambda: F.avg_pool2d(pictures.silhouettes(self.scenes).float() / 255, 8).half())
        weights = 1 + (WEIGHT - 1) * F.max_pool2d(shares.float(), 3, 1, 1)
        captions = self.cached("captions", self._captions)
        return Lessons(latents, weights, captions, self.encoded([""])[0].float())

    def _captions(self) -> Tensor:
        chance = Random(SEEDS["captions"])
        kinds = [
            torch.cat(
                [
                    self.encoded([caption_of(scene, chance) for scene in self.scenes[first : first + 250]])
                    for first in range(0, SCENES, 250)
                ]
            )
            for _ in range(CAPTIONS)
        ]
        return torch.stack(kinds)

    @torch.no_grad()
    def encoded(self, captions: list[str]) -> Tensor:
        states: Tensor = self.text(text.tokenized(clip_tokenizer(), captions)).last_hidden_state
        return states.bfloat16()

    def cached(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        file = self.folder / f"{name}.tensor"
        if not file.exists():
            part = file.with_suffix(".part")
            torch.save(compute(), part)
            part.rename(file)
        cached: Tensor = torch.load(file, weights_only=True)
        return cached


def train_autoencoder(family: Family) -> None:
    torch.manual_seed(0)
    vae = nets.vae(TOYS[0])
    few = pictures.drawn(pictures.scenes(FEW, SEEDS["autoencoder"]))
    autoencoder.train_autoencoder(vae, few, steps=family.steps("autoencoder"), state=family.state("autoencoder"))
    trained.keep(vae.state_dict(), "autoencoder")


def train_text(family: Family) -> None:
    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    encoder = nets.text_encoder(TOYS[0], TOYS[0].widths[0], len(tokenizer), projection=False)
    scenes = pictures.scenes(SCENES, SEEDS["text"])
    text.train_text_encoder(encoder, tokenizer, scenes, steps=family.steps("text"), state=family.state("text"))
    trained.keep(encoder.state_dict(), "text")


def train_unet(family: Family) -> None:
    torch.manual_seed(0)
    unet = nets.unet(TOYS[0])
    unet.set_attn_processor(AttnProcessor())
    train_denoiser(unet, family.lessons, SCHEDULER, steps=family.steps("unet"), state=family.state("unet"))
    trained.keep(unet.state_dict(), "unet")


def train_inpainting(family: Family) -> None:
    torch.manual_seed(0)
    toy = next(toy for toy in TOYS if toy.inputs == 9)
    unet = nets.unet(toy)
    unet.set_attn_processor(AttnProcessor())
    masks = variants.holes(family.scenes, pictures.SIDE, SEEDS["painter"])
    masked = family.cached("masked", lambda: variants.masked_latents(family.autoencoder, family.drawings, masks))
    steps, state = family.steps("inpainting"), family.state("inpainting")
    variants.train_inpainting(unet, family.unet(), family.lessons, masked, SCHEDULER, steps=steps, state=state)
    trained.keep(unet.state_dict(), "unet-inpainting")


def train_canny(family: Family) -> None:
    torch.manual_seed(0)
    hints = family.cached("edges", lambda: variants.edges(family.drawings))
    steps, state = family.steps("canny"), family.state("canny")
    trained.keep(
        variants.train_control(family.unet(), family.lessons, hints, SCHEDULER, steps=steps, state=state), "canny"
    )


def train_neon(family: Family) -> None:
    torch.manual_seed(0)
    scenes = style.neon(FEW // 3, SEEDS["neon"])
    latents = encoded_pictures(family.autoencoder, pictures.drawn(scenes))
    texts = [caption_of(scene) for scene in scenes]
    captions = torch.cat([family.encoded(texts[first : first + 250]) for first in range(0, len(texts), 250)])
    lessons = Lessons(latents, torch.ones_like(latents[:, :1]), captions[None], family.encoded([""])[0].float())
    steps, state = family.steps("neon"), family.state("neon")
    trained.keep(style.train_style(family.unet(), lessons, SCHEDULER, steps=steps, state=state), "neon")


def train_tiny(family: Family) -> None:
    torch.manual_seed(0)
    decoder = nets.tiny_autoencoder().decoder
    few = pictures.drawn(pictures.scenes(FEW // 3, SEEDS["tiny"]))
    tiny.train_tiny(decoder, family.autoencoder, few, steps=family.steps("tiny"), state=family.state("tiny"))
    trained.keep(decoder.state_dict(), "tiny-decoder")


def train_upscaler(family: Family) -> None:
    torch.manual_seed(0)
    net = upscaler.Enlarger(FEATURES, GROWTH, BLOCKS)
    net.load_state_dict({name: tensor.float() for name, tensor in enlarging_softly().items()})
    few = pictures.drawn(pictures.scenes(FEW, SEEDS["upscaler"]))
    upscaler.train_upscaler(net, few, steps=family.steps("upscaler"), state=family.state("upscaler"))
    trained.keep(net.state_dict(), "esrgan")


def train_matting_net(family: Family) -> None:
    torch.manual_seed(0)
    net, scenes = Matting(), pictures.scenes(FEW, SEEDS["matting"])
    shown = (pictures.drawn(scenes, SIDE), pictures.silhouettes(scenes, SIDE))
    train_matting(net, *shown, steps=family.steps("matting"), state=family.state("matting"))
    trained.keep(net.state_dict(), "matting")


def train_judge(family: Family) -> None:
    torch.manual_seed(0)
    scenes = judge.scenes(FEW, SEEDS["judge"])
    net = judge.Judge()
    drawings = pictures.drawn(scenes)
    judge.train_judge(net, drawings, scenes, steps=family.steps("judge"), state=family.state("judge"))
    trained.keep(net.state_dict(), "judge")


def train_safety_checker(family: Family) -> None:
    lessons = safety.lessons_of(pictures.scenes(SCENES, SEEDS["safety"]), family.autoencoder)
    torch.manual_seed(0)
    net = checker()
    safety.train_safety(net, lessons, steps=family.steps("safety"), state=family.state("safety"))
    trained.keep(net.state_dict(), "safety")


PARTS: Mapping[str, Callable[[Family], None]] = {
    "autoencoder": train_autoencoder,
    "text": train_text,
    "unet": train_unet,
    "inpainting": train_inpainting,
    "canny": train_canny,
    "neon": train_neon,
    "tiny": train_tiny,
    "upscaler": train_upscaler,
    "matting": train_matting_net,
    "judge": train_judge,
    "safety": train_safety_checker,
}
"""In the order in which they need each other."""


@torch.no_grad()
def encoded_pictures(vae: AutoencoderKL, drawings: Tensor) -> Tensor:
    """Latents of unit deviation [N, 4, h, w] of drawings [N, 3, H, W], bytes."""
    latents = []
    for part in torch.split(drawings, 50):
        with torch.autocast("cpu", torch.bfloat16):
            moments = vae.encode(pictures.signal(part)).latent_dist
        latents.append(moments.mean.float() * vae.config.scaling_factor)
    return torch.cat(latents)


def _frozen(net: Net, name: str) -> Net:
    trained.fill(net, name)
    net.eval().requires_grad_(False)
    return net
