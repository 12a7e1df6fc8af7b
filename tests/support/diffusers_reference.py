"""diffusers' own pipelines as the reference for ours."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import ControlNetModel

from pipelines.engine.sampling import samplers
from pipelines.txt2img import Txt2Img

SIDE = 64
"""Sides of the reference images, in pixels."""
TCD_GAMMA = 0.3
"""The `eta` of `tcd` that its authors advise. diffusers' pipelines pass 0 to every sampler unless it is set."""


class DiffusersReference:
    """An unchanged diffusers pipeline. It runs one request at a time."""

    def __init__(self, pipeline_class: Any, folder: Path, **components: Any) -> None:
        extra = components if "XL" in pipeline_class.__name__ else {**components, "safety_checker": None}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.pipe = pipeline_class.from_pretrained(folder, local_files_only=True, **extra)
        self.pipe.set_progress_bar_config(disable=True)
        self._config = self.pipe.scheduler.config

    @classmethod
    def with_controlnets(cls, pipeline_class: Any, models_dir: Path, model: str, *nets: str) -> DiffusersReference:
        """A pipeline with these ControlNets."""
        loaded = [ControlNetModel.from_pretrained(models_dir / net, torch_dtype=torch.float32) for net in nets]
        return cls(pipeline_class, models_dir / model, controlnet=loaded if len(loaded) > 1 else loaded[0])

    def image(self, params: Any, generator: torch.Generator | None = None, **arguments: Any) -> np.ndarray:
        """The image of a task's parameters, uint8 [height, width, 3]. `arguments` go to the pipeline as they are.

        `generator` takes the place of one of the task's seed, if numbers were drawn of it before.
        """
        scheduler = samplers.scheduler_for(self._config, params.sampler, params.sigmas)
        if hasattr(scheduler, "noise_sampler_seed"):
            scheduler.noise_sampler_seed = params.seed
        self.pipe.scheduler = scheduler
        output = self.pipe(
            params.text,
            negative_prompt=params.negative_prompt,
            num_inference_steps=params.num_steps,
            guidance_scale=params.guidance_scale,
            generator=generator or torch.Generator().manual_seed(params.seed),
            eta=TCD_GAMMA if params.sampler == "tcd" else 0.0,
            output_type="pil",
            **arguments,
        )
        return np.asarray(output.images[0])


def resized_latents(
    reference: DiffusersReference, pixels: np.ndarray, width: int, height: int, generator: torch.Generator
) -> torch.Tensor:
    """The latents of uint8 RGB pixels, stretched to those of `width` × `height` pixels, as the web UI of A1111 does."""
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.inference_mode():
        latents = reference.pipe.vae.encode(image).latent_dist.sample(generator)
    scaled: torch.Tensor = latents * reference.pipe.vae.config.scaling_factor
    return torch.nn.functional.interpolate(scaled, size=(height // 8, width // 8), mode="bilinear")


def txt2img_params(index: int, model: str = "toy-sd1", **changes: Any) -> Txt2Img.Params:
    """Parameters that differ between indices in everything but the size."""
    return Txt2Img.Params(
        model=model,
        text=f"a lighthouse, number {index}",
        negative_prompt="" if index % 2 else "fog",
        w=SIDE,
        h=SIDE,
        seed=100 + index,
        num_steps=3 + index % 5,
        guidance_scale=1.0 if index % 4 == 3 else 3.0 + index / 2,
        **changes,
    )


def max_difference(image: np.ndarray, other: np.ndarray) -> int:
    """The largest difference between two uint8 images of the same shape, in levels."""
    assert image.shape == other.shape
    return int(np.abs(image.astype(int) - other.astype(int)).max())
