"""The parameters that every diffusion task shares, named and defaulted as in the API that Hua replaces."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from models.adapters.lora_tags import split_lora_tags
from pipelines.params.adapters import AdditionParams
from pipelines.params.performance import LeverParams
from pipelines.params.sampling import SamplerParams
from pipelines.pipeline import Denoise
from pipelines.sampler_names import denoiser_calls

if TYPE_CHECKING:
    import torch

    from models.diffusion.checkpoint import Checkpoint
    from models.noise import SeededNoise

SEEDS = 2**32
SHALLOW = 0.08
"""Of a pass through SD 1.5's denoiser, what one computes that stops short of the deep layers (benchmarks.levers)."""
Seed = Annotated[int, Field(ge=0, lt=SEEDS)]
Unit = Annotated[float, Field(ge=0, le=1)]


class Variation(BaseModel):
    """A second noise, mixed into the seed's own by spherical interpolation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: Seed
    strength: Unit


class HighRes(BaseModel):
    """A second pass at a larger size, started from the first one's upscaled latents ("hires fix")."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fidelity: float = Field(0.3, ge=0, le=0.99, description="How closely the second pass follows the first.")
    upscale_factor: float = Field(2.0, gt=1, le=4)
    upscale_method: Literal["nearest-exact", "nearest", "bilinear", "bicubic", "area"] = Field(
        "nearest-exact", description="How the latents are enlarged."
    )
    max_wh: int = Field(1024, ge=64, le=8192, description="Longest side that the second pass may reach.")

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The size of the second pass, in pixels, for a first pass of `width` × `height`."""
        return round(width * self.upscale_factor / 8) * 8, round(height * self.upscale_factor / 8) * 8

    def enlarged(self, latents: torch.Tensor, width: int, height: int) -> torch.Tensor:
        """Latents [1, channels, height, width], in latent pixels, of what the first pass made."""
        from torch.nn.functional import interpolate

        return interpolate(latents.float(), size=(height, width), mode=self.upscale_method)

    def steps(self, num_steps: int) -> int:
        """Steps to schedule, so that about `num_steps` are left to run at this fidelity."""
        return int(num_steps / min(1 - self.fidelity, 0.999))


class ImageParams(AdditionParams, SamplerParams, LeverParams):
    """What a prompt, a seed and a sampler make of noise."""

    text: str = Field(
        max_length=20_000,
        description="The prompt. `(word:1.3)` weighs, `[word]` weakens, `BREAK` starts a new chunk, "
        "`<lora:name:0.8>` brings in a LoRA; any length.",
        examples=["a red house on the grass"],
    )
    negative_prompt: str = Field("", max_length=20_000, description="What to steer away from.")
    model: str = Field(
        "v1.5",
        validation_alias=AliasChoices("model", "version"),
        description="A name or alias that GET /v1/models lists. `version` is accepted as well.",
    )
    seed: int = Field(-1, ge=-1, lt=SEEDS, description="-1 draws one; the result says which.")
    num_samples: int = Field(1, ge=1, le=8, description="Images to make; image i has seed + i.")
    guidance_scale: float = Field(7.5, ge=0, le=50, description="Pull towards the prompt; up to 1 means no guidance.")
    is_anime: bool = Field(False, description="Use the model `anime`, unless `model` names one that starts so.")
    clip_skip: int = Field(-1, ge=-1, le=8, description="Text-encoder layers to leave out; -1: the model's default.")
    use_circular: bool = Field(False, description="Make the image tile seamlessly.")
    variation_seed: Seed = Field(0, description="Used if variation_strength is above 0.")
    variation_strength: Unit = 0.0
    variations: tuple[Variation, ...] = Field(
        (), max_length=16, description="Mixed in in order, before variation_seed."
    )
    max_wh: int = Field(1024, ge=64, le=8192, description="Longest side, in pixels, at which images are generated.")
    callback_url: str = Field("", max_length=2048, description="Kept for old clients; the envelope's notify_url wins.")

    @model_validator(mode="after")
    def _check_depth(self) -> Self:
        if self.deep_cache > 1 and self.style_reference and self.style_reference.url:
            raise ValueError(
                "style_reference looks at a picture in the layers that deep_cache leaves out; leave one of the two out"
            )
        return self

    @property
    def checkpoint(self) -> str:
        """The name of the model that this task runs on."""
        return "anime" if self.is_anime and not self.model.startswith("anime") else self.model

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple((self.seed + index) % SEEDS for index in range(self.num_samples))

    @property
    def negative(self) -> str | None:
        """The negative prompt, or None where guidance is off and nothing is steered away from."""
        return self.negative_prompt if self.guidance_scale > 1 else None

    @property
    def share(self) -> float:
        """Of what its steps would compute with guidance, by the whole denoiser, what they do: without guidance half of
        it, little at the steps between whole ones of `deep_cache`, twice as much with samplers that ask twice."""
        (begin, end), steps = self.guidance_interval, self.num_steps
        computed = 0.0
        for step in range(steps):
            guided = self.negative is not None and begin <= step / steps and (step + 1) / steps <= end
            computed += (1.0 if guided else 0.5) * (SHALLOW if step % self.deep_cache else 1.0)
        return computed / steps * denoiser_calls(self.sampler, steps) / steps

    def noises(self) -> list[SeededNoise]:
        """The noise of each image; it depends on the seed and the variations alone."""
        from models.noise import SeededNoise

        mixed = [(variation.seed, variation.strength) for variation in self.variations]
        if self.variation_strength > 0:
            mixed.append((self.variation_seed, self.variation_strength))
        return [SeededNoise(seed, tuple(mixed)) for seed in self.seeds]

    def denoise(
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
        """One image of `width` × `height` pixels, as these parameters want it."""
        positive, negative = checkpoint.encode_prompt(
            split_lora_tags(self.text)[0], self.negative, clip_skip=self.clip_skip, width=width, height=height
        )
        return Denoise(
            checkpoint,
            positive,
            negative,
            noise,
            width,
            height,
            steps=steps or self.num_steps,
            sampler=self.sampler,
            sigmas=self.sigmas,
            spacing=self.timestep_spacing,
            guidance=self.guidance_scale,
            source=source,
            strength=strength,
            circular=self.use_circular,
            guidance_interval=self.guidance_interval,
            deep_cache=self.deep_cache,
            strict=self.determinism == "strict",
        )

    def with_seed(self) -> Self:
        """These parameters with a drawn seed in place of -1."""
        return self if self.seed >= 0 else self.model_copy(update={"seed": secrets.randbelow(SEEDS - self.num_samples)})


def strength_of(fidelity: float) -> float:
    """How much of the noise an image gets that is to be followed with `fidelity`.

    Rounded, because 1 - 0.9 is a little less than 0.1, and would lose a step of ten.
    """
    return round(1 - fidelity, 6)


def refuse_odd_size(name: str, pixels: int, longest: int) -> None:
    """Raises ValueError unless `pixels` is a side that can be generated as it is, without blurring it up later."""
    if pixels % 8:
        below = pixels // 8 * 8
        raise ValueError(f"{name} {pixels} is not a multiple of 8; try {max(below, 64)} or {below + 8}")
    if pixels > longest:
        raise ValueError(f"{name} {pixels} is above max_wh {longest}; ask for {longest} at most, or raise max_wh")
