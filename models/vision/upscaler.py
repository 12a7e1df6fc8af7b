"""Single-image super-resolution, tile by tile: Real-ESRGAN and any other architecture that spandrel reads, and
Real-ESRGAN in ncnn's form.

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
from models.files.ncnn_param import PARAM
from models.imaging.tiles import Tile, split_tiles
from models.vision.ncnn_net import read_ncnn_net
from models.vision.spandrel_net import NetError, SpandrelNet, read_net, to_uint8

CUDA_TILE_SIZE = 512
"""Large enough to keep a GPU busy; the largest Real-ESRGAN needs 1 to 2 GB for it in half precision."""
CPU_TILE_SIZE = 256
MIN_TILE_SIZE = 64
INVISIBLE = 0.5 / 255
"""A smaller difference in 0..1 changes no uint8 level."""
PROBE_HEIGHT = 64


class Upscaler(SpandrelNet):
    """A net that enlarges images `scale` times. `tile_size` is the longest side of a tile, in pixels of the source."""

    def __init__(
        self, entry: ModelEntry, net: ImageModelDescriptor[nn.Module], dtype: torch.dtype, tile_size: int
    ) -> None:
        super().__init__(entry, net, dtype)
        self.scale: int = net.scale
        self._multiple: int = net.size_requirements.multiple_of
        self._tile_size = max(tile_size // self._multiple, 1) * self._multiple

    def canvas(self, pixels: np.ndarray) -> np.ndarray:
        """An empty array of the size of `pixels` enlarged."""
        height, width, channels = pixels.shape
        return np.empty((height * self.scale, width * self.scale, channels), np.uint8)

    def enlarge(self, pixels: np.ndarray, canvas: np.ndarray) -> Iterator[None]:
        """Fills `canvas` with uint8 RGB pixels [height, width, 3] enlarged; yields after each batch of tiles.

        The device holds one batch at a time, however large the image is. If its memory is too small for that, the tile
        size is halved and stays so. Tiles overlap by the receptive field of the net, so that the result differs by at
        most 1/255 from that of the whole image at once.
        """
        while True:
            try:
                yield from self._fill(pixels, canvas)
                return
            except torch.OutOfMemoryError:
                if self._tile_size < 2 * MIN_TILE_SIZE or self._net.tiling is ModelTiling.INTERNAL:
                    raise
            self._halve()

    def _halve(self) -> None:
        self._tile_size = self._tile_size // (2 * self._multiple) * self._multiple
        self.__dict__.pop("margin", None)  # it depends on the tile size
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _fill(self, pixels: np.ndarray, canvas: np.ndarray) -> Iterator[None]:
        source = torch.from_numpy(self._padded(pixels))
        height, width, _ = source.shape
        if self._net.tiling is ModelTiling.INTERNAL or max(height, width) <= self._tile_size:
            pending = split_tiles(width, height, max(width, height), 0)
        else:
            pending = split_tiles(width, height, self._tile_size, self.margin)
        batch_size = max(1, self._tile_size**2 // (min(width, self._tile_size) * min(height, self._tile_size)))
        while batch := list(islice(pending, batch_size)):
            self._paste(batch, self._enlarge_batch(batch, source), canvas)
            yield

    def _padded(self, pixels: np.ndarray) -> np.ndarray:
        """`pixels`, extended at the right and the bottom by reflection to a size that the net takes."""
        height, width, _ = pixels.shape
        right, bottom = self._net.size_requirements.get_padding(width, height)
        return np.pad(pixels, ((0, bottom), (0, right), (0, 0)), mode="reflect")

    def _enlarge_batch(self, batch: Sequence[Tile], source: Tensor) -> Tensor:
        inputs = [source[tile.rows.begin : tile.rows.end, tile.columns.begin : tile.columns.end] for tile in batch]
        return to_uint8(self._forward(self._as_input(torch.stack(inputs))))

    def _paste(self, batch: Sequence[Tile], enlarged: Tensor, canvas: np.ndarray) -> None:
        for tile, pixels in zip(batch, enlarged.numpy(), strict=True):
            rows, columns = tile.rows, tile.columns
            target = canvas[self._scaled(rows.first, rows.last), self._scaled(columns.first, columns.last)]
            top, left = (rows.first - rows.begin) * self.scale, (columns.first - columns.begin) * self.scale
            target[:] = pixels[top : top + target.shape[0], left : left + target.shape[1]]

    def _scaled(self, first: int, last: int) -> slice:
        return slice(first * self.scale, last * self.scale)

    @torch.inference_mode()
    def _forward(self, planes: Tensor) -> Tensor:
        return self._run(planes)

    @cached_property
    def margin(self) -> int:
        """The radius of the receptive field, in pixels of the source; a quarter of the tile size at most.

        It is measured, because trained nets use only a small part of what their convolutions can reach: noise is cut
        off on one side, and the margin is the width of the strip where the result changes.
        """
        max_margin = max(self._tile_size // (4 * self._multiple), 1) * self._multiple
        generator = torch.Generator().manual_seed(0)
        height = -(-PROBE_HEIGHT // self._multiple) * self._multiple
        probe = torch.rand((1, self._net.input_channels, height, 2 * max_margin), generator=generator)
        probe = probe.to(self.device, self.dtype)
        whole, part = self._forward(probe)[..., max_margin * self.scale :], self._forward(probe[..., max_margin:])
        differs = (whole - part).abs().amax(dim=(0, 1, 2)) > INVISIBLE
        reach = int(differs.nonzero().max()) // self.scale + 1 if differs.any() else 0
        margin: int = min(-(-reach // self._multiple) * self._multiple, max_margin)
        return margin


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Upscaler:
    """Raises NetError for a file that is not a net which enlarges RGB images."""
    net = read_ncnn_net(entry) if entry.path.suffix.lower() == PARAM else read_net(entry)
    if (
        not isinstance(net, ImageModelDescriptor)
        or net.scale < 2
        or (net.input_channels, net.output_channels) != (3, 3)
    ):
        raise NetError(
            f"{entry.path.name} is a net of {net.architecture.name} for {net.purpose}, not one that enlarges RGB "
            "images; give a super-resolution net such as Real-ESRGAN, or correct its family"
        )
    upscaler = Upscaler(entry, net, dtype, CUDA_TILE_SIZE if device.type == "cuda" else CPU_TILE_SIZE)
    upscaler.to(device)
    return upscaler
