"""Painting a part of a picture: the parameters and the recipe that inpainting and outpainting share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from pipelines.params.image import ImageParams, refuse_odd_size, strength_of
from pipelines.pipeline import ControlInput, Denoise, PreservedRegion, Steps, Work

if TYPE_CHECKING:
    import numpy as np

    from models.diffusion.checkpoint import Checkpoint
    from models.imaging.masks import Box
    from models.noise import SeededNoise

Side = Annotated[int, Field(ge=64, le=8192)]


class PaintParams(ImageParams):
    """How a part of a picture is painted, whatever says which part."""

    fidelity: float = Field(
        0.0, ge=0, le=0.99, description="Closeness of what is painted to what was there: 0 ignores what was there."
    )
    keep_original: bool = Field(
        False, description="Paste what was painted over the original, whose other pixels stay bit for bit."
    )
    keep_original_num_fade_pixels: int | None = Field(
        50, ge=0, le=1024, description="Width of the band around the mask in which the paste fades; null: a hard edge."
    )
    use_raw_inpainting: bool = Field(
        False, description="Paint with the model itself, even if there is an inpainting model for it."
    )
    inpainting_mode: Literal["normal", "masked"] = Field(
        "normal",
        description="`masked` paints the surroundings of the mask only, at full size, and pastes them back as "
        "keep_original does: better where the mask is small.",
    )
    inpainting_mask_blur: float | None = Field(
        None, ge=0, le=256, description="Smooths the mask by a Gaussian of so many pixels before the threshold."
    )
    inpainting_mask_padding: int | None = Field(
        32, ge=0, le=4096, description="Pixels around the mask that are painted along with it in mode `masked`."
    )
    inpainting_mask_binary_threshold: int | None = Field(
        32, ge=0, le=254, description="A pixel is painted if its mark, 0 to 255, is above this; null means 0."
    )
    inpainting_target_wh: Side | tuple[Side, Side] | None = Field(
        None, description="Size at which to paint, multiples of 8; null: that of the picture, up to max_wh."
    )
    use_background_guidance: bool = Field(
        False,
        description="Hold what is around the mask to the picture at every step, which a plain model does at any rate.",
    )
    use_reference: bool = Field(False, description="Start from the picture, with reference_fidelity.")
    use_background_reference: bool = Field(
        False,
        description="Start from the picture with what is masked filled from around it, with reference_fidelity.",
    )
    reference_fidelity: float = Field(
        0.0, ge=0, le=0.99, description="Closeness to what use_reference or use_background_reference start from."
    )
    inpainting_padding_mode: None = Field(None, description="Not offered; null only.")

    @model_validator(mode="after")
    def _check_painting(self) -> Self:
        if self.use_reference and self.use_background_reference:
            raise ValueError("use_reference and use_background_reference are two starts; choose one")
        for side in self.target or ():
            refuse_odd_size("inpainting_target_wh", side, self.max_wh)
        return self

    @property
    def closeness(self) -> float:
        """How closely what is painted follows what it starts from."""
        return self.reference_fidelity if self.use_reference or self.use_background_reference else self.fidelity

    @property
    def target(self) -> tuple[int, int] | None:
        """Width and height at which to paint, if the caller says."""
        wh = self.inpainting_target_wh
        return (wh, wh) if isinstance(wh, int) else wh

    @property
    def checkpoint_ref(self) -> ModelRef[Checkpoint]:
        """The checkpoint for inpainting if there is one, unless the task sets `use_raw_inpainting`."""
        return ModelRef(CHECKPOINT, self.checkpoint, inpainting=not self.use_raw_inpainting)

    @property
    def painting(self) -> Work:
        """How much painting asks of a device, whose size only the picture decides, if the caller does not."""
        width, height = self.target or (self.max_wh, self.max_wh)
        steps = round(self.num_steps * (1 - self.closeness))
        return Work(width * height, self.num_samples, max(steps, 1), self.share, bound=self.target is None)

    @property
    def threshold(self) -> int:
        """The mark, 0 to 255, above which a pixel is painted."""
        return self.inpainting_mask_binary_threshold or 0

    def mask_of(self, levels: np.ndarray) -> np.ndarray:
        """The mask, bool [height, width], that marks of 0 to 255 mean. Raises EmptyMaskError."""
        from models.imaging.masks import binary

        return binary(levels, self.threshold, self.inpainting_mask_blur or 0)


class ThinMaskError(ValueError):
    """The mask slips between the latents."""

    code = "bad_input"


def _freely(width: int, height: int, box: Box) -> tuple[ControlInput, ...]:
    """The controls of an image of this size that shows this box of the picture: none."""
    return ()


def paint(
    params: PaintParams,
    checkpoint: Checkpoint,
    original: np.ndarray,
    mask: np.ndarray,
    controls: Callable[[int, int, Box], tuple[ControlInput, ...]] = _freely,
) -> Steps[list[np.ndarray]]:
    """The original, pixels [height, width, 3 or 4], painted where the mask is true; images of the same size.

    `controls` are told the width and height at which it is painted, and the box of the picture that is.
    """
    from models.imaging.masks import Box, bounds, fitted, grown, pasted
    from models.imaging.pixels import flattened, resized, snapped

    picture, _ = flattened(original)
    full = picture.shape[1], picture.shape[0]
    width, height = params.target or snapped(*full, params.max_wh)
    box, fade = Box(0, 0, *full), params.keep_original_num_fade_pixels or 0
    if masked := params.inpainting_mode == "masked":
        padding = params.inpainting_mask_padding or 0
        box, fade = grown(bounds(mask, padding), width / height, *full), min(fade, padding)
    part = resized(picture[box.pixels], width, height)
    guided = controls(width, height, box)
    painted = yield from _painted(params, checkpoint, part, fitted(mask[box.pixels], width, height), guided)
    images = [resized(pixels, *box.size) for pixels in painted]
    if not masked and not params.keep_original:
        return images
    results = [original.copy() for _ in images]
    for result, pixels in zip(results, images, strict=True):
        result[box.pixels] = pasted(pixels, original[box.pixels], mask[box.pixels], fade)
    return results


def _painted(
    params: PaintParams,
    checkpoint: Checkpoint,
    picture: np.ndarray,
    mask: np.ndarray,
    controls: tuple[ControlInput, ...],
) -> Steps[list[np.ndarray]]:
    """The picture, RGB, painted at the size that it has."""
    if not mask[:: checkpoint.factor, :: checkpoint.factor].any():
        raise ThinMaskError(
            f"the mask is thinner than the {checkpoint.factor} pixels that can be painted; draw it broader, smooth it "
            "by inpainting_mask_blur, or enlarge it by inpainting_mode masked"
        )
    wishes = [_denoise(params, checkpoint, noise, picture, mask) for noise in params.noises()]
    latents = yield [replace(wish, controls=controls) for wish in wishes]
    return [pixels for latent in latents for pixels in checkpoint.decode(latent, circular=params.use_circular)]


def _denoise(
    params: PaintParams, checkpoint: Checkpoint, noise: SeededNoise, picture: np.ndarray, mask: np.ndarray
) -> Denoise:
    """One image. Everything is drawn from its noise in the order in which diffusers' pipelines draw it."""
    import torch

    from models.imaging.masks import filled

    height, width = mask.shape
    plain, circular = checkpoint.inputs == checkpoint.channels, params.use_circular
    holds = plain or params.use_background_guidance
    start = filled(picture, mask) if params.use_background_reference else picture
    small = torch.from_numpy(mask[None, None, :: checkpoint.factor, :: checkpoint.factor].astype("float32"))
    known = checkpoint.encode(start, noise, circular=circular) if holds or params.closeness else None
    initial = noise.initial((1, checkpoint.channels, *small.shape[2:]))
    source = known if params.closeness else None
    wish = params.denoise(checkpoint, noise, width, height, source=source, strength=strength_of(params.closeness))
    kept = PreservedRegion(known, small) if holds and known is not None else None
    if plain:
        noise.gaussian(initial.shape)  # diffusers samples the cut-out picture here as well, and throws it away
        return replace(wish, initial=initial, kept=kept)
    cut_out = checkpoint.encode(picture, noise, hole=mask, circular=circular)
    return replace(wish, initial=initial, kept=kept, beside=torch.cat([small.to(cut_out), cut_out], dim=1))
