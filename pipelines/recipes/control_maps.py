"""Drawn control maps, and what a ControlNet gets of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipelines.pipeline import ControlInput, Models
from pipelines.recipes.control_guidance import ControlSpec, refuse_different_shape

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models.imaging.masks import Box
    from models.imaging.resize_modes import ResizeMode


@dataclass(frozen=True, slots=True)
class ControlMaps:
    """The drawn maps of one task, all of the same size."""

    specs: tuple[ControlSpec, ...]
    checkpoint: str
    """The name of the checkpoint that the ControlNets guide."""
    maps: tuple[np.ndarray, ...]
    """uint8 RGB [height, width, 3], one per spec."""
    regions: tuple[np.ndarray | None, ...]
    """How much each map acts at each place, uint8 [height, width]; None: everywhere."""
    models: Models

    def inputs(self, width: int, height: int, box: Box | None = None) -> tuple[ControlInput, ...]:
        """The inputs for an image of `width` × `height` pixels that shows `box` of the maps; None: all of them."""
        part = (slice(None), slice(None)) if box is None else box.pixels
        return tuple(
            self._input(spec, pixels[part], None if region is None else region[part], (width, height), "fill")
            for spec, pixels, region in self._all
        )

    def inputs_of_passes(
        self, first: tuple[int, int], second: tuple[int, int]
    ) -> tuple[tuple[ControlInput, ...], tuple[ControlInput, ...]]:
        """The inputs for both passes of an image, of these sizes. Of the maps is cropped what is too much for the shape
        of the second pass, as of the image; and they fade there, as in A1111's extension, because they are coarse."""
        firsts = (self._input(*each, first, "fill") for each in self._all if each[0].only != "second")
        seconds = (self._input(*each, second, "cover") for each in self._all if each[0].only != "first")
        return tuple(firsts), tuple(replace(each, fades=True) for each in seconds)

    @property
    def _all(self) -> Iterator[tuple[ControlSpec, np.ndarray, np.ndarray | None]]:
        return zip(self.specs, self.maps, self.regions, strict=True)

    def _input(
        self,
        spec: ControlSpec,
        pixels: np.ndarray,
        region: np.ndarray | None,
        size: tuple[int, int],
        mode: ResizeMode,
    ) -> ControlInput:
        """The input for an image of `size`, width and height; `mode` says how a map of another shape gets it."""
        from models.imaging.resize_modes import resize_to

        return ControlInput(
            self.models.get(spec.controlnet_ref(self.checkpoint)),
            _levels(resize_to(pixels, *size, mode)),
            spec.strength,
            spec.start,
            spec.end,
            spec.guess,
            spec.fades,
            None if region is None else _levels(_resized_region(region, size, mode)[:, :, None]),
            spec.layer_weights,
        )


def draw_control_maps(
    specs: tuple[ControlSpec, ...],
    checkpoint: str,
    models: Models,
    images: Mapping[str, np.ndarray],
    size: tuple[int, int],
) -> ControlMaps:
    """Draws all maps in `size`, width and height. Raises SizeMismatchError, EmptyMaskError."""
    maps = tuple(_drawn(spec, models, images, size) for spec in specs)
    return ControlMaps(specs, checkpoint, maps, tuple(_region(spec, images, size) for spec in specs), models)


def _drawn(spec: ControlSpec, models: Models, images: Mapping[str, np.ndarray], size: tuple[int, int]) -> np.ndarray:
    from models.imaging.pixels import resize
    from models.imaging.resize_modes import resize_to

    if spec.resize_mode is not None:
        images = {**images, spec.image: resize_to(images[spec.image], *size, spec.resize_mode)}
    refuse_different_shape(spec.image, images[spec.image], size)
    return resize(spec.draw(models, images), *size)


def _region(spec: ControlSpec, images: Mapping[str, np.ndarray], size: tuple[int, int]) -> np.ndarray | None:
    """How much the map acts at each place, uint8 [height, width] of `size`; None: everywhere."""
    from models.imaging.masks import EmptyMaskError, mask_levels

    if spec.region is None:
        return None
    levels = mask_levels(images[spec.region])
    if spec.resize_mode is None:
        refuse_different_shape(spec.region, levels, size)
    resized = _resized_region(levels, size, spec.resize_mode or "fill")
    if not resized.any():
        raise EmptyMaskError(f"{spec.region} is black, so the map would act nowhere; mark in white where it acts")
    return resized


def _resized_region(levels: np.ndarray, size: tuple[int, int], mode: ResizeMode) -> np.ndarray:
    """By means of areas: another resampling would let the map act outside the edges of the region."""
    from PIL import Image

    from models.imaging.resize_modes import resize_to

    return resize_to(levels, *size, mode, Image.Resampling.BOX)


def _levels(pixels: np.ndarray) -> torch.Tensor:
    """Levels in 0..1, [1, channels, height, width], of uint8 pixels."""
    import torch

    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
