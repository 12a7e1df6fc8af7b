"""Upscalers in ncnn's form: their weights fill the nets of spandrel."""

from __future__ import annotations

from functools import partial

from spandrel import ImageModelDescriptor
from torch import Tensor, nn
from torch.nn.functional import interpolate

from models.catalog.entry import ModelEntry
from models.loading.ncnn_tensors import read_ncnn
from models.vision.spandrel_net import NetError, net_of


def read_ncnn_net(entry: ModelEntry) -> ImageModelDescriptor[nn.Module]:
    """The net of a pair of `NAME.param` and `NAME.bin`, on the CPU. Raises WeightsError."""
    header, tensors = read_ncnn(entry.path)
    upscaler = header.upscaler
    net = net_of(entry, tensors)
    if not isinstance(net, ImageModelDescriptor) or net.scale != upscaler.net_scale:
        raise NetError(
            f"{entry.path.name} says ×{upscaler.net_scale}, but its weights are those of another net; copy both files "
            "again"
        )
    if upscaler.scale == upscaler.net_scale:
        return net
    return ImageModelDescriptor(
        net.model,
        net.model.state_dict(),
        net.architecture,
        "SR",
        net.tags,
        net.supports_half,
        net.supports_bfloat16,
        upscaler.scale,
        net.input_channels,
        net.output_channels,
        net.size_requirements,
        net.tiling,
        call_fn=partial(_run_shrunk, factor=upscaler.scale / upscaler.net_scale),
    )


def _run_shrunk(model: nn.Module, image: Tensor, *, factor: float) -> Tensor:
    """As ncnn's `Interp` shrinks, whose weights are those of torch."""
    return interpolate(model(image), scale_factor=factor, mode="bicubic")
