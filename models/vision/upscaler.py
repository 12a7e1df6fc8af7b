"""Single-image super-resolution: Real-ESRGAN and whatever other architecture spandrel reads, tile by tile.

Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data", 2021.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice

import numpy as np
import torch
from spandrel import ImageModelDescriptor, ModelTiling
from torch import Tensor, nn

from models.catalog.entry import ModelEntry
from models.imaging.tiles import Tile, tiles
from models.vision.spandrel_net import NetError, SpandrelNet, read_net, to_uint8

SIDE_ON_CUDA = 512
"""Tiles this large keep a GPU busy and need one or two gigabytes, in half precision, by the largest Real-ESRGAN."""
SIDE_ELSEWHERE = 256
SMALLEST_SIDE = 64
UNSEEN = 0.5 / 255
PROBE_HEIGHT = 64


class Upscaler(SpandrelNet):
    """A net that makes pictures `scale` times larger. `side` is the longest side of a tile, in pixels of the source."""

    def __init__(self, entry: ModelEntry, net: ImageModelDescriptor[nn.Module], dtype: torch.dtype, side: int) -> None:
        super().__init__(entry, net, dtype)
        self.scale: int = net.scale
        self._grain: int = net.size_requirements.multiple_of
        self._side = max(side // self._grain, 1) * self._grain

    def canvas(self, pixels: np.ndarray) -> np.ndarray:
        """Room for `pixels` enlarged."""
        height, width, channels = pixels.shape
        return np.empty((height * self.scale, width * self.scale, channels), np.uint8)

    def enlarge(self, pixels: np.ndarray, canvas: np.ndarray) -> Iterator[None]:
        """Fills `canvas` with uint8 RGB pixels [height, width, 3] enlarged; yields after each batch of tiles.

        The device holds one batch at a time, however large the picture is; if even that is too much for its memory,
        tiles are halved, for good. They overlap by what the net looks at, so that the result is that of the whole
        picture at once to within 1/255.
        """
        while True:
            try:
                yield from self._fill(pixels, canvas)
                return
            except torch.OutOfMemoryError:
                if self._side < 2 * SMALLEST_SIDE or self._net.tiling is ModelTiling.INTERNAL:
                    raise
            self._halve()

    def _halve(self) -> None:
        self._side = self._side // (2 * self._grain) * self._grain
        self.__dict__.pop("_margin", None)  # it is a share of the side at most
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _fill(self, pixels: np.ndarray, canvas: np.ndarray) -> Iterator[None]:
        source = torch.from_numpy(self._padded(pixels))
        height, width, _ = source.shape
        if self._net.tiling is ModelTiling.INTERNAL or max(height, width) <= self._side:
            pending = tiles(width, height, max(width, height), 0)
        else:
            pending = tiles(width, height, self._side, self._margin)
        at_once = max(1, self._side**2 // (min(width, self._side) * min(height, self._side)))
        while batch := list(islice(pending, at_once)):
            self._place(batch, self._enlarged(batch, source), canvas)
            yield

    def _padded(self, pixels: np.ndarray) -> np.ndarray:
        """`pixels` mirrored at the right and the bottom up to a size that the net takes."""
        height, width, _ = pixels.shape
        right, bottom = self._net.size_requirements.get_padding(width, height)
        return np.pad(pixels, ((0, bottom), (0, right), (0, 0)), mode="reflect")

    def _enlarged(self, batch: Sequence[Tile], source: Tensor) -> Tensor:
        seen = [source[tile.rows.begin : tile.rows.end, tile.columns.begin : tile.columns.end] for tile in batch]
        return to_uint8(self._forward(self._given(torch.stack(seen))))

    def _place(self, batch: Sequence[Tile], enlarged: Tensor, canvas: np.ndarray) -> None:
        for tile, made in zip(batch, enlarged.numpy(), strict=True):
            rows, columns = tile.rows, tile.columns
            room = canvas[self._scaled(rows.first, rows.last), self._scaled(columns.first, columns.last)]
            top, left = (rows.first - rows.begin) * self.scale, (columns.first - columns.begin) * self.scale
            room[:] = made[top : top + room.shape[0], left : left + room.shape[1]]

    def _scaled(self, first: int, last: int) -> slice:
        return slice(first * self.scale, last * self.scale)

    @torch.inference_mode()
    def _forward(self, planes: Tensor) -> Tensor:
        made: Tensor = self._net(planes)
        return made

    @cached_property
    def _margin(self) -> int:
        """How far the net looks, in pixels of the source: noise is cut off on one side, and the margin is as wide as
        the strip in which that shows. A quarter of a tile at most, which is what nets get that look everywhere.

        Measured, for what hundreds of convolutions could reach is many times what trained ones do.
        """
        most = max(self._side // (4 * self._grain), 1) * self._grain
        chance = torch.Generator().manual_seed(0)
        height = -(-PROBE_HEIGHT // self._grain) * self._grain
        probe = torch.rand((1, self._net.input_channels, height, 2 * most), generator=chance)
        probe = probe.to(self.device, self.dtype)
        whole, part = self._forward(probe)[..., most * self.scale :], self._forward(probe[..., most:])
        differs = (whole - part).abs().amax(dim=(0, 1, 2)) > UNSEEN
        reach = int(differs.nonzero().max()) // self.scale + 1 if differs.any() else 0
        margin: int = min(-(-reach // self._grain) * self._grain, most)
        return margin


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Upscaler:
    """Raises NetError for a file that holds no net which enlarges RGB pictures."""
    net = read_net(entry)
    if (
        not isinstance(net, ImageModelDescriptor)
        or net.scale < 2
        or (net.input_channels, net.output_channels) != (3, 3)
    ):
        raise NetError(
            f"{entry.path.name} is a net of {net.architecture.name} for {net.purpose}, not one that enlarges RGB "
            "pictures; give a super-resolution net such as Real-ESRGAN, or correct its family"
        )
    upscaler = Upscaler(entry, net, dtype, SIDE_ON_CUDA if device.type == "cuda" else SIDE_ELSEWHERE)
    upscaler.to(device)
    return upscaler
