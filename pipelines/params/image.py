"""The parameters that all diffusion tasks share, with the names and defaults of the API that Hua replaces."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from models.adapters.lora_tags import split_lora_tags
from models.diffusion.prompt_schedule import split_parts
from models.diffusion.prompt_syntax import PromptError
from pipelines.params.adapters import AdapterParams
from pipelines.params.limits import LONGEST_SIDE, SEEDS, CallbackUrl, Fraction, GeneratedSide, Seed
from pipelines.params.performance import PerformanceParams
from pipelines.params.prompt_steps import check_prompt, encode_steps
from pipelines.params.prompts import NegativePrompt, Prompt
from pipelines.params.sampling import SamplerParams
from pipelines.pipeline import Denoise
from pipelines.sampler_names import denoiser_calls

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models.diffusion.checkpoint import Checkpoint
    from models.noise import SeededNoise

CACHED_STEP_COST = 0.08
"""Cost of a DeepCache step that skips the deep layers, as a fraction of a full pass through SD 1.5's UNet
(measured by benchmarks.levers)."""


SIZE_STEP = 8
"""Pixels per latent, in each direction, of every family; sides are multiples of it."""


class Variation(BaseModel):
    """A second noise that is mixed into the seed's own noise by spherical interpolation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: Seed
    strength: Fraction


class ImageParams(AdapterParams, SamplerParams, PerformanceParams):
    """Parameters of a task that generates images from a prompt, a seed and a sampler."""

    text: Prompt = Field(
        max_length=20_000,
        description="The prompt, of any length. `(word:1.3)` raises the weight of a word (at most to 100), `[word]` "
        "lowers it, `BREAK` starts a new chunk, and `<lora:name:0.8>` adds a LoRA. `[a:b:0.5]` changes a to b after "
        "half of the steps, `[a|b]` takes turns, and `a AND b:1.2` follows both prompts at once.",
        examples=["a red house on the grass"],
    )
    negative_prompt: NegativePrompt = Field("", max_length=20_000, description="What the image should not show.")
    styles: tuple[str, ...] = Field(
        (),
        max_length=20,
        fail_fast=True,
        description="Names of the operator's styles: words around the prompts, LoRAs, a model, and params that are not "
        "set here. The stored task has their words, and no names.",
    )
    model: str = Field(
        "v1.5",
        validation_alias=AliasChoices("model", "version"),
        description="A name or alias that GET /v1/models lists. Also accepted as `version`.",
    )
    seed: int = Field(-1, ge=-1, lt=SEEDS, description="-1 draws a random seed, which the result reports.")
    num_samples: int = Field(1, ge=1, le=8, description="Number of images. Image i has seed + i.")
    guidance_scale: float = Field(
        7.5, ge=0, le=50, description="How strongly the image follows the prompt. 1 or less turns guidance off."
    )
    is_anime: bool = Field(
        False, description="Use the model `anime`, unless `model` is set to a name that starts with `anime`."
    )
    clip_skip: int = Field(
        -1, ge=-1, le=8, description="Number of last text-encoder layers to skip. -1: the model's default."
    )
    use_circular: bool = Field(False, description="Make an image that tiles seamlessly.")
    variation_seed: Seed = Field(0, description="Seed of a variation. Used if variation_strength is above 0.")
    variation_strength: Fraction = Field(0.0, description="How much of the noise of variation_seed to mix in.")
    variations: tuple[Variation, ...] = Field(
        (), max_length=16, fail_fast=True, description="Variations to mix in, in this order, before variation_seed."
    )
    seed_resize_w: int = Field(
        0, ge=0, le=LONGEST_SIDE, description="Width, in pixels, of an image of this seed to stay close to. 0: none."
    )
    seed_resize_h: int = Field(0, ge=0, le=LONGEST_SIDE, description="Its height, in pixels. 0: none.")
    max_wh: GeneratedSide = Field(1024, description="Longest side, in pixels, at which images are generated.")
    callback_url: CallbackUrl = ""

    @model_validator(mode="after")
    def _check_prompts(self) -> Self:
        texts = [part.text for part in split_parts(split_lora_tags(self.text)[0])]
        for name, prompts in (("text", texts), ("negative_prompt", [self.negative_prompt])):
            try:
                check_prompt(prompts, self.num_steps)
            except PromptError as error:
                raise ValueError(f"{name}: {error}") from error
        return self

    @model_validator(mode="after")
    def _check_deep_cache(self) -> Self:
        if self.deep_cache > 1 and self.style_reference and self.style_reference.url:
            raise ValueError(
                "deep_cache skips the layers that style_reference needs; use only one of deep_cache and style_reference"
            )
        return self

    @property
    def checkpoint(self) -> str:
        """The name of the checkpoint that this task runs on."""
        return "anime" if self.is_anime and not self.model.startswith("anime") else self.model

    def with_checkpoints(self, names: Sequence[str]) -> Self:
        """These parameters with the names of their checkpoints as the catalog has them, that of the first pass first.

        The name of the first one is replaced elsewhere.
        """
        return self

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple((self.seed + index) % SEEDS for index in range(self.num_samples))

    @property
    def negative(self) -> str | None:
        """The negative prompt; None if guidance is off, because it has no effect then."""
        return self.negative_prompt if self.guidance_scale > 1 else None

    @property
    def compute_fraction(self) -> float:
        """The denoiser's work, as a fraction of full guided passes at every step.

        A step without guidance costs half, and each prompt that AND adds costs half. A cached step of `deep_cache`
        costs little, and a second-order sampler runs the denoiser twice a step.
        """
        (begin, end), steps = self.guidance_interval, self.num_steps
        prompts = len(split_parts(split_lora_tags(self.text)[0]))
        computed = 0.0
        for step in range(steps):
            guided = self.negative is not None and begin <= step / steps and (step + 1) / steps <= end
            computed += (prompts + guided) / 2 * (CACHED_STEP_COST if step % self.deep_cache else 1.0)
        return computed / steps * denoiser_calls(self.sampler, steps) / steps

    @property
    def start_noise(self) -> float:
        """What multiplies the noise that an image starts from."""
        return 1.0

    def noises(self) -> list[SeededNoise]:
        """The noise of each image. It depends on nothing but the seed and the variations."""
        from models.noise import SeededNoise

        mixed = [(variation.seed, variation.strength) for variation in self.variations]
        if self.variation_strength > 0:
            mixed.append((self.variation_seed, self.variation_strength))
        centre = self.seed_resize_h // SIZE_STEP, self.seed_resize_w // SIZE_STEP
        return [SeededNoise(seed, tuple(mixed), centre if all(centre) else None) for seed in self.seeds]

    def denoise_request(
        self,
        checkpoint: Checkpoint,
        noise: SeededNoise,
        width: int,
        height: int,
        *,
        source: torch.Tensor | None = None,
        strength: float = 1.0,
        steps: int | None = None,
    ) -> Denoise:
        """The request for one image of `width` × `height` pixels; the arguments are as in `Denoise`."""
        steps = steps or self.num_steps
        prompts = encode_steps(
            checkpoint,
            split_lora_tags(self.text)[0],
            self.negative,
            steps if source is None else max(int(steps * strength), 1),
            clip_skip=self.clip_skip,
            width=width,
            height=height,
        )
        return Denoise(
            checkpoint,
            prompts,
            noise,
            width,
            height,
            steps=steps,
            sampler=self.sampler,
            sigmas=self.sigmas,
            spacing=self.timestep_spacing,
            guidance=self.guidance_scale,
            source=source,
            strength=strength,
            noise_multiplier=self.start_noise,
            circular=self.use_circular,
            guidance_interval=self.guidance_interval,
            deep_cache=self.deep_cache,
            strict=self.determinism == "strict",
        )

    def encode(
        self,
        checkpoint: Checkpoint,
        pixels: np.ndarray,
        noise: SeededNoise,
        size: tuple[int, int] | None = None,
        mask: np.ndarray | None = None,
    ) -> torch.Tensor:
        """Latents [1, channels, h, w] of uint8 RGB pixels [height, width, 3].

        `size`: width and height, in pixels, to which the latents are stretched, as the web UI of A1111 does it.
        `mask` is as in `Checkpoint.encode`.
        """
        from torch.nn.functional import interpolate

        latents = checkpoint.encode(pixels, noise, mask=mask, circular=self.use_circular)
        shape = latents.shape[2:] if size is None else [side // checkpoint.vae_scale_factor for side in reversed(size)]
        return latents if [*latents.shape[2:]] == [*shape] else interpolate(latents, size=[*shape], mode="bilinear")

    def decode(self, checkpoint: Checkpoint, latents: Iterable[torch.Tensor]) -> list[np.ndarray]:
        """uint8 RGB images [height, width, 3] of latents [1, channels, h, w]."""
        return [pixels for each in latents for pixels in checkpoint.decode(each, circular=self.use_circular)]

    def with_seed(self) -> Self:
        """These parameters with a random seed in place of -1."""
        return self if self.seed >= 0 else self.model_copy(update={"seed": secrets.randbelow(SEEDS - self.num_samples)})


def strength_of(fidelity: float) -> float:
    """The denoising strength, 0 to 1, for an image that must follow its source with `fidelity`.

    Rounded, because 1 - 0.9 is a little less than 0.1 as a float and would lose one step of ten.
    """
    return round(1 - fidelity, 6)


def refuse_odd_size(name: str, pixels: int, longest: int) -> None:
    """Raises ValueError unless a side of `pixels` is a multiple of 8 and at most `longest`."""
    if pixels % SIZE_STEP:
        below = pixels // SIZE_STEP * SIZE_STEP
        raise ValueError(
            f"{name} {pixels} is not a multiple of {SIZE_STEP}; try {max(below, 64)} or {below + SIZE_STEP}"
        )
    if pixels > longest:
        raise ValueError(f"{name} {pixels} is above max_wh {longest}; set at most {longest}, or raise max_wh")
