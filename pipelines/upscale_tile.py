"""Enlarging by painting: the picture enlarged as it is, then repainted tile by tile under a tile ControlNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from models.kinds.controlnet import CONTROLNET
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.params.image import SEEDS, ImageParams, refuse_odd_size, strength_of
from pipelines.params.image_refs import ImageRef
from pipelines.pipeline import ControlInput, Denoise, Models, Pipeline, Recipe, TaskResult, Work
from pipelines.recipes.control_guidance import Strength

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models.adapters.controlnet import ControlNet
    from models.diffusion.checkpoint import Checkpoint
    from models.imaging.tiles import Tile

LONGEST_RESULT = 8192
AT_ONCE = 16
"""Tiles that are yielded together, so that they share batches and the device does not have to hold them all."""
USUAL_SIDE: Mapping[str, int] = {"sdxl": 1024}
OTHERWISE_SIDE = 512
MOST_TILES = 1024
"""Those of the usual size and padding that make up the largest result are a third of this."""
GRAIN = 8
"""Tiles begin and end at pixels where latents do."""

Side = Annotated[int, Field(ge=64, le=2048)]
Factor = Annotated[float, Field(ge=1, le=8)]


class TiledTooLargeError(ValueError):
    """What is to be made of the picture has too many pixels."""

    code = "bad_input"


class UpscaleTileParams(ImageParams):
    url: ImageRef = Field(description="The picture, given by URL, data: URI, base64 or id.")
    num_samples: int = Field(1, ge=1, le=1, description="One picture a task.")
    upscale_factor: Factor | tuple[Factor, Factor] = Field(2.0, description="How many times larger; or width, height.")
    fidelity: float = Field(0.45, ge=0, le=1, description="Closeness of what is painted to the enlarged picture.")
    strength: Strength = Field(1.0, description="How strongly the tile ControlNet is followed.")
    highres_steps: int = Field(36, ge=1, le=100, description="Steps to schedule, of which 1 - fidelity are taken.")
    padding: int = Field(32, ge=0, le=256, description="Pixels on each side of a tile that fade into its neighbours.")
    grid_wh: Side | tuple[Side, Side] | None = Field(
        None, description="Size of a tile, multiples of 8; null: what the model was trained for, 512 or 1024."
    )
    max_wh: int = Field(1024, ge=64, le=8192, description="A larger picture is first shrunk to this longest side.")
    controls: None = Field(None, description="Not offered; null only.")

    @model_validator(mode="after")
    def _check_grid(self) -> Self:
        for side in self.grid(OTHERWISE_SIDE):
            refuse_odd_size("grid_wh", side, 2048)
            if 2 * self.margin >= side:
                raise ValueError(f"padding {self.padding} leaves nothing of a tile of {side}; ask for less than half")
        return self

    @property
    def margin(self) -> int:
        """The padding, in whole latents."""
        return ceil(self.padding / GRAIN) * GRAIN

    @property
    def factors(self) -> tuple[float, float]:
        both = self.upscale_factor
        return both if isinstance(both, tuple) else (both, both)

    def grid(self, usual: int) -> tuple[int, int]:
        """Width and height of a tile."""
        wh = self.grid_wh or usual
        return (wh, wh) if isinstance(wh, int) else wh


class UpscaleTile(Pipeline[UpscaleTileParams]):
    names = ("upscale.tile",)
    title = "Enlarge by repainting tiles"
    Params = UpscaleTileParams

    def needs(self, params: UpscaleTileParams) -> tuple[AnyModelRef, ...]:
        return (params.checkpoint_ref, _control_ref(params), *params.extra_models)

    def work(self, params: UpscaleTileParams) -> Work:
        """Of a picture as large as may be, for the picture is not known yet."""
        width, height = params.grid(OTHERWISE_SIDE)
        sides = zip(params.factors, (width, height), strict=True)
        across, down = (_count(params.max_wh * factor, side, params.margin) for factor, side in sides)
        steps = max(round(params.highres_steps * (1 - params.fidelity)), 1)
        return Work(width * height, across * down, steps, params.share)

    def resolve(self, params: UpscaleTileParams) -> UpscaleTileParams:
        return params.with_seed()

    def run(self, params: UpscaleTileParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.pixels import flattened, resized, with_alpha

        checkpoint = params.load_checkpoint(models, images)
        picture, alpha = flattened(images["url"])
        size = _target(params, picture)
        enlarged = resized(picture, *(ceil(side / GRAIN) * GRAIN for side in size))
        painter = _Painter(params, checkpoint, models, enlarged)
        pending = _tiles(params, checkpoint, enlarged)
        _refuse_too_many(pending, size)
        for begin in range(0, len(pending), AT_ONCE):
            some = pending[begin : begin + AT_ONCE]
            latents = yield [painter.wish(begin + place, tile) for place, tile in enumerate(some)]
            for tile, latent in zip(some, latents, strict=True):
                painter.lay(tile, latent)
        result = resized(painter.picture, *size)
        return TaskResult([result if alpha is None else with_alpha(result, alpha)])


def _control_ref(params: UpscaleTileParams) -> ModelRef[ControlNet]:
    return ModelRef(CONTROLNET, "tile", base=params.checkpoint)


class _Painter:
    """A canvas that tiles are painted on. They share one noise, so that neighbours agree where they overlap."""

    def __init__(self, params: UpscaleTileParams, checkpoint: Checkpoint, models: Models, enlarged: np.ndarray) -> None:
        from models.imaging.tiles import Canvas

        self._params, self._checkpoint, self._enlarged = params, checkpoint, enlarged
        self._net = models.get(_control_ref(params))
        height, width = (side // checkpoint.factor for side in enlarged.shape[:2])
        self._noise = params.noises()[0].initial((1, checkpoint.channels, height, width))
        self._canvas = Canvas(enlarged.shape[1], enlarged.shape[0], 2 * params.margin)

    @property
    def picture(self) -> np.ndarray:
        return self._canvas.pixels

    def wish(self, number: int, tile: Tile) -> Denoise:
        import torch

        from models.noise import SeededNoise

        params, checkpoint, factor = self._params, self._checkpoint, self._checkpoint.factor
        pixels = self._enlarged[tile.rows.begin : tile.rows.end, tile.columns.begin : tile.columns.end]
        noise = SeededNoise((params.seed + 1 + number) % SEEDS)  # the seed's own is the one that tiles share
        height, width = pixels.shape[:2]
        source = checkpoint.encode(pixels, noise, circular=params.use_circular)
        hint = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
        rows, columns = ((span.begin // factor, span.end // factor) for span in (tile.rows, tile.columns))
        wish = params.denoise(
            checkpoint,
            noise,
            width,
            height,
            source=source,
            strength=strength_of(params.fidelity),
            steps=params.highres_steps,
        )
        shared = self._noise[:, :, slice(*rows), slice(*columns)]
        return replace(wish, initial=shared, controls=(ControlInput(self._net, hint, params.strength),))

    def lay(self, tile: Tile, latent: torch.Tensor) -> None:
        (pixels,) = self._checkpoint.decode(latent, circular=self._params.use_circular)
        self._canvas.lay(tile, pixels)


def _target(params: UpscaleTileParams, picture: np.ndarray) -> tuple[int, int]:
    """Width and height of the result. Raises TooLargeError."""
    height, width = picture.shape[:2]
    shrink = min(1.0, params.max_wh / max(width, height))
    across, down = params.factors
    size = max(round(width * shrink * across), GRAIN), max(round(height * shrink * down), GRAIN)
    if size[0] * size[1] > LONGEST_RESULT**2:
        raise TiledTooLargeError(
            f"the result would be {size[0]}×{size[1]}, and {LONGEST_RESULT**2} pixels ({LONGEST_RESULT}×"
            f"{LONGEST_RESULT}) are the most; lower upscale_factor or max_wh"
        )
    return size


def _count(length: float, side: int, margin: int) -> int:
    """Of tiles of this side that overlap by twice the margin, how many it takes (`models.imaging.tiles.spans`)."""
    return max(ceil((length - 2 * margin) / (side - 2 * margin)), 1)


def _refuse_too_many(tiles: Sequence[Tile], size: tuple[int, int]) -> None:
    """Raises TooLargeError. Small tiles that hardly leave their paddings would be painted for days."""
    if len(tiles) > MOST_TILES:
        raise TiledTooLargeError(
            f"the result, {size[0]}×{size[1]}, would be painted in {len(tiles)} tiles, and {MOST_TILES} are the most; "
            "ask for a larger grid_wh, less padding, or a lower upscale_factor or max_wh"
        )


def _tiles(params: UpscaleTileParams, checkpoint: Checkpoint, enlarged: np.ndarray) -> Sequence[Tile]:
    from models.imaging.tiles import Tile, spans

    across, down = params.grid(USUAL_SIDE.get(checkpoint.family, OTHERWISE_SIDE))
    columns = spans(enlarged.shape[1], across, params.margin)
    return [Tile(rows, each) for rows in spans(enlarged.shape[0], down, params.margin) for each in columns]
