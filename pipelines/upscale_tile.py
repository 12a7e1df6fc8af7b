"""Enlarge by repainting: the picture is enlarged, then repainted tile by tile under a tile ControlNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from models.kinds.controlnet import CONTROLNET
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.params.control import ControlStrength
from pipelines.params.image import ImageParams, refuse_odd_size, strength_of
from pipelines.params.image_refs import ImageRef
from pipelines.params.limits import LONGEST_SIDE, SEEDS, GeneratedSide, TooLargeError, refuse_too_many_pixels
from pipelines.params.sampling import refuse_too_many_steps
from pipelines.pipeline import ControlInput, Denoise, Models, Recipe, TaskResult, Work
from pipelines.recipes.image_generation import ImageGeneration

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models.adapters.controlnet import ControlNet
    from models.diffusion.checkpoint import Checkpoint
    from models.imaging.tiles import Tile

CHUNK = 16
"""Tiles that are yielded together: enough to fill batches, few enough that the device need not hold all tiles."""
TILE_SIZES: Mapping[str, int] = {"sdxl": 1024}
"""Default side of a tile, in pixels, by model family."""
DEFAULT_TILE_SIZE = 512
LONGEST_TILE_SIDE = 2048
MAX_TILES = 1024
"""The largest result needs a third of this with tiles of default size and padding."""
GRAIN = 8
"""Tiles begin and end at multiples of this, in pixels, because latent pixels do."""

TileSide = Annotated[int, Field(ge=64, le=LONGEST_TILE_SIDE)]
Factor = Annotated[float, Field(ge=1, le=8)]


class UpscaleTileParams(ImageParams):
    url: ImageRef = Field(description="The picture.")
    num_samples: int = Field(1, ge=1, le=1, description="Always 1.")
    upscale_factor: Factor | tuple[Factor, Factor] = Field(
        2.0,
        description="How many times larger each side becomes: one number, or one for the width and one for the height.",
    )
    fidelity: float = Field(
        0.45, ge=0, le=1, description="How closely the repainted tiles follow the enlarged picture."
    )
    strength: ControlStrength = Field(1.0, description="How strongly the tile ControlNet is followed.")
    highres_steps: int = Field(
        36, ge=1, le=100, description="Number of steps to schedule; the fraction 1 - fidelity of them runs."
    )
    padding: int = Field(
        32, ge=0, le=256, description="Pixels on each side of a tile that fade into the neighbouring tiles."
    )
    grid_wh: TileSide | tuple[TileSide, TileSide] | None = Field(
        None,
        description="Size of a tile, multiples of 8: one number for both sides, or width and height. null: the size "
        "that the model was trained at, 512 or 1024.",
    )
    max_wh: GeneratedSide = Field(1024, description="Shrink a larger picture to this longest side first, in pixels.")
    controls: None = Field(None, description="Not supported. Only null is accepted.")

    @model_validator(mode="after")
    def _check_steps(self) -> Self:
        refuse_too_many_steps("highres_steps", self.highres_steps, self.sampler)
        return self

    @model_validator(mode="after")
    def _check_grid(self) -> Self:
        for side in self.tile_size(DEFAULT_TILE_SIZE):
            refuse_odd_size("grid_wh", side, LONGEST_TILE_SIDE)
            if 2 * self.margin >= side:
                raise ValueError(
                    f"padding {self.padding} leaves nothing of a tile of {side} pixels; set padding below {side // 2}"
                )
        return self

    @property
    def margin(self) -> int:
        """The padding in pixels, rounded up to whole latent pixels."""
        return ceil(self.padding / GRAIN) * GRAIN

    @property
    def factors(self) -> tuple[float, float]:
        """The factors of the width and of the height."""
        factor = self.upscale_factor
        return factor if isinstance(factor, tuple) else (factor, factor)

    def tile_size(self, default: int) -> tuple[int, int]:
        """Width and height of a tile, in pixels."""
        size = self.grid_wh or default
        return (size, size) if isinstance(size, int) else size


class UpscaleTile(ImageGeneration[UpscaleTileParams]):
    names = ("upscale.tile",)
    title = "Enlarge by repainting tiles"
    Params = UpscaleTileParams

    def needs(self, params: UpscaleTileParams) -> tuple[AnyModelRef, ...]:
        return (params.checkpoint_ref, _controlnet_ref(params), *params.extra_models)

    def work(self, params: UpscaleTileParams) -> Work:
        """The work for the largest picture that the parameters allow, because the picture is not known yet."""
        width, height = params.tile_size(DEFAULT_TILE_SIZE)
        sides = zip(params.factors, (width, height), strict=True)
        columns, rows = (_tile_count(params.max_wh * factor, side, params.margin) for factor, side in sides)
        steps = max(round(params.highres_steps * (1 - params.fidelity)), 1)
        return Work(width * height, columns * rows, steps, params.compute_fraction)

    def run(self, params: UpscaleTileParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.pixels import add_alpha, flatten_alpha, resize

        checkpoint = params.load_checkpoint(models, images)
        picture, alpha = flatten_alpha(images["url"])
        size = _result_size(params, picture)
        enlarged = resize(picture, *(ceil(side / GRAIN) * GRAIN for side in size))
        generation = _TiledGeneration(params, checkpoint, models, enlarged)
        tiles = _tiles(params, checkpoint, enlarged)
        _refuse_too_many_tiles(tiles, size)
        for begin in range(0, len(tiles), CHUNK):
            chunk = tiles[begin : begin + CHUNK]
            latents = yield [generation.denoise_request(begin + index, tile) for index, tile in enumerate(chunk)]
            for tile, latent in zip(chunk, latents, strict=True):
                generation.add(tile, latent)
        result = resize(generation.pixels, *size)
        return TaskResult([result if alpha is None else add_alpha(result, alpha)])


class _TiledGeneration:
    """A canvas that is filled tile by tile. All tiles share one noise, so that neighbours agree where they overlap."""

    def __init__(self, params: UpscaleTileParams, checkpoint: Checkpoint, models: Models, enlarged: np.ndarray) -> None:
        from models.imaging.tiles import Canvas

        self._params, self._checkpoint, self._enlarged = params, checkpoint, enlarged
        self._controlnet = models.get(_controlnet_ref(params))
        height, width = (side // checkpoint.vae_scale_factor for side in enlarged.shape[:2])
        self._noise = params.noises()[0].initial((1, checkpoint.channels, height, width))
        self._canvas = Canvas(enlarged.shape[1], enlarged.shape[0], 2 * params.margin)

    @property
    def pixels(self) -> np.ndarray:
        """The picture so far, uint8 RGB [height, width, 3]."""
        return self._canvas.pixels

    def denoise_request(self, index: int, tile: Tile) -> Denoise:
        """The request for the tile of this index."""
        import torch

        from models.noise import SeededNoise

        params, checkpoint, factor = self._params, self._checkpoint, self._checkpoint.vae_scale_factor
        pixels = self._enlarged[tile.rows.begin : tile.rows.end, tile.columns.begin : tile.columns.end]
        # The noise of the seed itself is the one that all tiles share, so the tiles' own seeds begin at seed + 1.
        noise = SeededNoise((params.seed + 1 + index) % SEEDS)
        height, width = pixels.shape[:2]
        request = params.denoise_request(
            checkpoint,
            noise,
            width,
            height,
            source=params.encode(checkpoint, pixels, noise),
            strength=strength_of(params.fidelity),
            steps=params.highres_steps,
        )
        rows, columns = (slice(span.begin // factor, span.end // factor) for span in (tile.rows, tile.columns))
        hint = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
        control = ControlInput(self._controlnet, hint, params.strength)
        return replace(request, initial=self._noise[:, :, rows, columns], controls=(control,))

    def add(self, tile: Tile, latent: torch.Tensor) -> None:
        """Decodes the latents of a tile and blends them into the picture."""
        (pixels,) = self._params.decode(self._checkpoint, [latent])
        self._canvas.add(tile, pixels)


def _controlnet_ref(params: UpscaleTileParams) -> ModelRef[ControlNet]:
    return ModelRef(CONTROLNET, "tile", base=params.checkpoint)


def _result_size(params: UpscaleTileParams, picture: np.ndarray) -> tuple[int, int]:
    """Width and height of the result. Raises TooLargeError."""
    height, width = picture.shape[:2]
    shrink = min(1.0, params.max_wh / max(width, height))
    width_factor, height_factor = params.factors
    size = max(round(width * shrink * width_factor), GRAIN), max(round(height * shrink * height_factor), GRAIN)
    refuse_too_many_pixels("the result", size, LONGEST_SIDE, "lower upscale_factor or max_wh")
    return size


def _tile_count(length: float, side: int, margin: int) -> int:
    """How many tiles of `side` that overlap by twice the margin cover `length` (see `models.imaging.tiles.spans`)."""
    return max(ceil((length - 2 * margin) / (side - 2 * margin)), 1)


def _refuse_too_many_tiles(tiles: Sequence[Tile], size: tuple[int, int]) -> None:
    """Raises TooLargeError. Tiles that are hardly larger than their padding could take days."""
    if len(tiles) > MAX_TILES:
        raise TooLargeError(
            f"the result, {size[0]}×{size[1]}, needs {len(tiles)} tiles; the limit is {MAX_TILES}; raise grid_wh, or "
            "lower padding, upscale_factor or max_wh"
        )


def _tiles(params: UpscaleTileParams, checkpoint: Checkpoint, enlarged: np.ndarray) -> Sequence[Tile]:
    """The tiles that cover the enlarged picture, row by row."""
    from models.imaging.tiles import Tile, split_spans

    width, height = params.tile_size(TILE_SIZES.get(checkpoint.family, DEFAULT_TILE_SIZE))
    columns = split_spans(enlarged.shape[1], width, params.margin)
    return [Tile(rows, each) for rows in split_spans(enlarged.shape[0], height, params.margin) for each in columns]
