"""Repainting a part of a picture: the parameters and the recipe that inpainting and outpainting share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from pipelines.params.image import ImageParams, refuse_odd_size, strength_of
from pipelines.params.limits import GeneratedSide
from pipelines.params.picture_size import PictureSizeParams
from pipelines.pipeline import ControlInput, Denoise, PreservedRegion, Steps, Work

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models.diffusion.checkpoint import Checkpoint
    from models.imaging.masks import Box
    from models.noise import SeededNoise


class MaskedGenerationParams(ImageParams):
    """How a part of a picture is repainted, however the part is marked."""

    fidelity: float = Field(
        0.0,
        ge=0,
        le=0.99,
        description="How closely the repainted part follows what was there. 0 ignores what was there.",
    )
    keep_original: bool = Field(
        False, description="Paste the repainted part into the original picture, whose other pixels stay unchanged."
    )
    keep_original_num_fade_pixels: int | None = Field(
        50,
        ge=0,
        le=1024,
        description="Width, in pixels, of the band around the mask in which the paste fades out. null: a hard edge.",
    )
    use_raw_inpainting: bool = Field(
        False, description="Use the model itself, even if there is an inpainting model for it."
    )
    inpainting_mode: Literal["normal", "masked"] = Field(
        "normal",
        description="`normal`: repaint at the size of the picture. `masked`: generate only the mask and its "
        "surroundings, at full size, and paste them back as keep_original does; better for small masks.",
    )
    inpainting_mask_blur: float | None = Field(
        None,
        ge=0,
        le=256,
        description="Standard deviation, in pixels, of a Gaussian that widens the mask before the threshold.",
    )
    inpainting_mask_padding: int | None = Field(
        32, ge=0, le=4096, description="Pixels around the mask that are generated with it in mode `masked`."
    )
    inpainting_mask_binary_threshold: int | None = Field(
        32, ge=0, le=254, description="A pixel is repainted if its mask level, 0 to 255, is above this. null: 0."
    )
    inpainting_mask_invert: bool = Field(False, description="Repaint what the mask does not mark.")
    inpainting_mask_source: Literal["auto", "alpha"] = Field(
        "auto",
        description="`auto`: the transparency of the mask marks if it has any, else its brightness. `alpha`: only the "
        "transparency does, so that a mask without it marks all.",
    )
    inpainting_target_wh: GeneratedSide | tuple[GeneratedSide, GeneratedSide] | None = Field(
        None,
        description="Size at which to generate, multiples of 8: one number for both sides, or width and height. null: "
        "the size of the picture, up to max_wh.",
    )
    use_background_guidance: bool = Field(
        False,
        description="Reset what is outside the mask to the picture at every step. A model that is not for inpainting "
        "always does so.",
    )
    use_reference: bool = Field(False, description="Start from the picture, with reference_fidelity.")
    use_background_reference: bool = Field(
        False,
        description="Start from the picture with the masked part filled from its surroundings, with "
        "reference_fidelity.",
    )
    reference_fidelity: float = Field(
        0.0,
        ge=0,
        le=0.99,
        description="How closely the repainted part follows the start of use_reference or use_background_reference.",
    )
    masked_content: Literal["original", "fill", "noise", "nothing"] | None = Field(
        None,
        description="What the repainting starts from under the mask, with `fidelity`: the picture, its surroundings, "
        "noise, or zero latents. null: what use_reference and use_background_reference say.",
    )
    inpainting_padding_mode: None = Field(None, description="Not supported. Only null is accepted.")

    @model_validator(mode="after")
    def _check_masked_generation(self) -> Self:
        if self.use_reference and self.use_background_reference:
            raise ValueError(
                "use_reference and use_background_reference contradict each other; set at most one of them"
            )
        if self.masked_content and (self.use_reference or self.use_background_reference):
            raise ValueError(
                "masked_content takes the place of use_reference and use_background_reference; set only one of them"
            )
        for side in self.generation_size or ():
            refuse_odd_size("inpainting_target_wh", side, self.max_wh)
        return self

    @property
    def start_fidelity(self) -> float:
        """How closely the repainted part follows its start, 0 to 1."""
        return self.reference_fidelity if self.use_reference or self.use_background_reference else self.fidelity

    @property
    def generation_size(self) -> tuple[int, int] | None:
        """Width and height at which to generate; None if the size of the picture decides."""
        size = self.inpainting_target_wh
        return (size, size) if isinstance(size, int) else size

    @property
    def checkpoint_ref(self) -> ModelRef[Checkpoint]:
        """The checkpoint for inpainting if there is one, unless the task sets `use_raw_inpainting`."""
        return ModelRef(CHECKPOINT, self.checkpoint, inpainting=not self.use_raw_inpainting)

    @property
    def generation_work(self) -> Work:
        """The work of the repainting; an upper bound if the size of the picture decides."""
        width, height = self.generation_size or (self.max_wh, self.max_wh)
        steps = max(round(self.num_steps * (1 - self.start_fidelity)), 1)
        is_upper_bound = self.generation_size is None
        return Work(width * height, self.num_samples, steps, self.compute_fraction, is_upper_bound)

    @property
    def mask_threshold(self) -> int:
        """The mask level, 0 to 255, above which a pixel is repainted."""
        return self.inpainting_mask_binary_threshold or 0

    def binary_mask(self, picture: np.ndarray) -> np.ndarray:
        """The mask, bool [height, width], of its picture, uint8 [height, width, 3 or 4]. Raises EmptyMaskError."""
        from models.imaging.masks import mask_levels

        return self.mask_of_levels(mask_levels(picture, only_alpha=self.inpainting_mask_source == "alpha"))

    def mask_of_levels(self, levels: np.ndarray) -> np.ndarray:
        """The mask, bool [height, width], of levels from 0 to 255. Raises EmptyMaskError."""
        from models.imaging.masks import binarize

        marked = 255 - levels if self.inpainting_mask_invert else levels
        return binarize(marked, self.mask_threshold, self.inpainting_mask_blur or 0)


class MaskedPictureParams(PictureSizeParams, MaskedGenerationParams):
    """How a part of a picture is repainted that is brought to a size of its own."""

    @model_validator(mode="after")
    def _check_resize_mode(self) -> Self:
        if self.resize_mode == "latent" and self.inpainting_mode == "masked":
            raise ValueError(
                "resize_mode latent stretches the latents of the whole picture, and inpainting_mode masked encodes a "
                "part of it; set another resize_mode, or inpainting_mode normal"
            )
        return self

    def masked_source(self, pixels: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """The picture and its mask, bool [height, width], as they are encoded if the latents are resized."""
        from models.imaging.masks import resize_mask

        source = self.latent_source(pixels)
        return None if source is None else (source, resize_mask(mask, source.shape[1], source.shape[0]))


def _without_controls(width: int, height: int, box: Box) -> tuple[ControlInput, ...]:
    return ()


def generate_masked(
    params: MaskedGenerationParams,
    checkpoint: Checkpoint,
    original: np.ndarray,
    mask: np.ndarray,
    controls: Callable[[int, int, Box], tuple[ControlInput, ...]] = _without_controls,
    source: tuple[np.ndarray, np.ndarray] | None = None,
) -> Steps[list[np.ndarray]]:
    """The original, uint8 [height, width, 3 or 4], repainted where `mask` is true; images of the same size.

    `controls` returns the control inputs for the width and height of the generation and the box of the picture that is
    generated.
    `source`: the RGB picture and the mask that are encoded in their place, at a size of their own; the latents are
    stretched to the size of the generation. Not in mode `masked`.
    """
    from models.imaging.masks import Box, bounding_box, grow_box, paste_masked, resize_mask
    from models.imaging.pixels import flatten_alpha, resize, snap_size

    picture, _ = flatten_alpha(original)
    full_size = picture.shape[1], picture.shape[0]
    width, height = params.generation_size or snap_size(*full_size, params.max_wh)
    box, fade = Box(0, 0, *full_size), params.keep_original_num_fade_pixels or 0
    if crops := params.inpainting_mode == "masked":
        padding = params.inpainting_mask_padding or 0
        box, fade = grow_box(bounding_box(mask, padding), width / height, *full_size), min(fade, padding)
    part = resize(picture[box.pixels], width, height), resize_mask(mask[box.pixels], width, height)
    inputs = controls(width, height, box)
    repainted = yield from _repaint(params, checkpoint, *(source or part), (width, height), inputs)
    images = [resize(pixels, *box.size) for pixels in repainted]
    if not crops and not params.keep_original:
        return images
    results = [original.copy() for _ in images]
    for result, pixels in zip(results, images, strict=True):
        result[box.pixels] = paste_masked(pixels, original[box.pixels], mask[box.pixels], fade)
    return results


def _repaint(
    params: MaskedGenerationParams,
    checkpoint: Checkpoint,
    picture: np.ndarray,
    mask: np.ndarray,
    size: tuple[int, int],
    controls: tuple[ControlInput, ...],
) -> Steps[list[np.ndarray]]:
    """Images of `size`, width and height, of an RGB picture and its mask."""
    requests = [_denoise_request(params, checkpoint, noise, picture, mask, size) for noise in params.noises()]
    latents = yield [replace(request, controls=controls) for request in requests]
    return params.decode(checkpoint, latents)


def _denoise_request(
    params: MaskedGenerationParams,
    checkpoint: Checkpoint,
    noise: SeededNoise,
    picture: np.ndarray,
    mask: np.ndarray,
    size: tuple[int, int],
) -> Denoise:
    """The request for one image. It draws random numbers in the same order as diffusers' inpainting pipelines.

    A latent pixel is repainted if any of its pixels is masked. diffusers looks at one corner, and misses thin lines.
    """
    import torch

    from models.imaging.masks import fill_nearest, latent_mask, resize_mask

    plain = checkpoint.in_channels == checkpoint.channels
    preserves = plain or params.use_background_guidance
    fills = params.use_background_reference or params.masked_content == "fill"
    start = fill_nearest(picture, mask) if fills else picture
    cells = latent_mask(resize_mask(mask, *size), checkpoint.vae_scale_factor)
    repainted = torch.from_numpy(cells[None, None].astype("float32"))
    start_latents = params.encode(checkpoint, start, noise, size) if preserves or params.start_fidelity else None
    initial = noise.initial((1, checkpoint.channels, *repainted.shape[2:]))
    request = params.denoise_request(
        checkpoint,
        noise,
        *size,
        source=_with_masked_content(params, start_latents, repainted, initial) if params.start_fidelity else None,
        strength=strength_of(params.start_fidelity),
    )
    preserved = PreservedRegion(start_latents, repainted) if preserves and start_latents is not None else None
    if plain:
        # diffusers encodes the masked picture here as well and does not use it; the draw keeps the noise in step.
        noise.gaussian(initial.shape)
        return replace(request, initial=initial, preserve=preserved)
    masked_latents = params.encode(checkpoint, picture, noise, size, mask)
    inpainting_inputs = torch.cat([repainted.to(masked_latents), masked_latents], dim=1)
    return replace(request, initial=initial, preserve=preserved, inpainting_inputs=inpainting_inputs)


def _with_masked_content(
    params: MaskedGenerationParams, latents: torch.Tensor | None, repainted: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor | None:
    """The latents of the picture, with noise or nothing under the mask if the task asks for that."""
    if latents is None or params.masked_content not in ("noise", "nothing"):
        return latents
    under = noise if params.masked_content == "noise" else noise * 0
    return latents.where(repainted.to(latents.device) == 0, under.to(latents))
