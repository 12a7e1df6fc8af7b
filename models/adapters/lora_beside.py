"""LoRAs beside the weights: y += up · down · x for the rows that asked for them, so that rows may have different LoRAs.

The weights stay as they are. All LoRAs of one task are one set, packed as one vector; a batch has a few sets, and each
row the number of its own. Set 0 is zeros, for rows without LoRAs.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.adapters.lora import Lora
from models.adapters.lora_merge import MergedNet
from models.adapters.low_rank import LowRank, low_rank
from models.finite import holds_finite
from models.patches.cross_attention_cache import text_layers
from models.patches.patch import DenoiserInputs, DenoiserPatch, PatchedRows

RANKS = (4, 8, 16, 32, 64, 128)
"""Ranks that sets are padded to. A set of a higher rank is merged: its product would cost as much as the weights."""
MOST_SETS = 8
"""Different sets that a batch may have. Their packed numbers stay in device memory."""
MOST_TOGETHER = 64
"""Ranks of all sets together, up to which two products of all sets are quicker than small ones of each row's own."""
SETS, OF_ROWS = "sets", "set_of_rows"
"""Tensors of a batch: the packed sets [sets, numbers], and the set of each row, int64 [rows]."""
Scales = Iterable[tuple[Lora, float]]


@dataclass(frozen=True, slots=True)
class Place:
    """A module, and the shape of its weight."""

    path: str
    weight: tuple[int, ...]

    @property
    def inputs(self) -> int:
        return math.prod(self.weight[1:])


@dataclass(frozen=True, slots=True)
class Layout:
    """Which numbers a packed set has: of each module, up [out, rank], and then down [rank, in, …]."""

    places: tuple[Place, ...]
    rank: int

    def __hash__(self) -> int:
        """Quick: batch keys have it, and there are some hundred places."""
        return hash((len(self.places), self.rank))

    @property
    def numbers(self) -> int:
        return sum(self.rank * (place.weight[0] + place.inputs) for place in self.places)

    def unpack(self, packed: Tensor) -> Iterator[tuple[Place, Tensor, Tensor]]:
        """Each module with its up [sets, out, rank] and down [sets, rank, in, …], views of `packed` [sets, numbers]."""
        begin = 0
        for place in self.places:
            middle = begin + self.rank * place.weight[0]
            end = middle + self.rank * place.inputs
            up = packed[:, begin:middle].view(-1, place.weight[0], self.rank)
            yield place, up, packed[:, middle:end].view(-1, self.rank, *place.weight[1:])
            begin = end


class LoraSet:
    """The LoRAs of one task for one net, as products of narrow matrices."""

    def __init__(self, products: Mapping[Place, Sequence[LowRank]]) -> None:
        self._products = products
        self._packed: tuple[Layout, torch.dtype, Tensor] | None = None
        most = max((sum(each.rank for each in products) for products in self._products.values()), default=0)
        self.layout = Layout(tuple(sorted(products, key=lambda place: place.path)), _padded(most))

    def packed(self, layout: Layout, dtype: torch.dtype) -> Tensor:
        """[numbers]. `layout` has at least the modules and the rank of this set."""
        if self._packed is None or self._packed[:2] != (layout, dtype):
            self._packed = layout, dtype, self._pack(layout, dtype)
        return self._packed[2]

    def _pack(self, layout: Layout, dtype: torch.dtype) -> Tensor:
        device = next(iter(self._products.values()))[0].up.device
        packed = torch.zeros(1, layout.numbers, dtype=dtype, device=device)
        for place, up, down in layout.unpack(packed):
            begin = 0
            for product in self._products.get(place, ()):
                end = begin + product.rank
                up[0, :, begin:end] = product.up
                down[0, begin:end] = product.down.reshape(product.rank, *place.weight[1:])
                begin = end
        return packed[0]


def lora_set(net: MergedNet, scales: Scales) -> LoraSet | None:
    """The LoRAs that change `net`, as one set; None if one of them has to be merged. Without LoRAs, an empty set."""
    paths = {module: path for path, module in net.net.named_modules()}
    products: dict[Place, list[LowRank]] = {}
    for lora, scale in scales:
        if not scale:
            continue
        for name, factors in lora.updates.get(net.part, {}).items():
            module = net.modules.get(name)
            if module is None:
                continue
            product = low_rank(factors) if _takes_products(module) else None
            if product is None or not _fits(product, module.weight):
                return None
            place = Place(paths[module], tuple(module.weight.shape))
            dtype = module.weight.dtype  # in float32, the sets that are kept would take twice the memory
            scaled = LowRank((product.up * scale).to(dtype), product.down.to(dtype))
            if not all(map(holds_finite, scaled)):
                return None  # 0 · infinity would be NaN in rows of other sets
            products.setdefault(place, []).append(scaled)
    found = LoraSet(products)
    return found if found.layout.rank else None


def common_layout(sets: Iterable[LoraSet]) -> Layout:
    """The smallest layout that has room for all these sets."""
    layouts = list({each.layout for each in sets})
    if len(layouts) == 1:
        return layouts[0]
    places = {place for layout in layouts for place in layout.places}
    return Layout(tuple(sorted(places, key=lambda place: place.path)), max(layout.rank for layout in layouts))


@contextmanager
def beside(
    net: nn.Module, layout: Layout, sets: Tensor, rows: Tensor | None, without: Iterable[nn.Module] = ()
) -> Iterator[None]:
    """Within this block the modules of `net` add their products to their outputs.

    sets: packed, [sets, numbers].
    rows: the set of each row of the inputs, int64 [rows]; None: set 0 is that of all rows.
    without: modules that stay as they are.
    """
    left_out = set(without)
    with ExitStack() as hooks:
        for place, up, down in layout.unpack(sets):
            module = net.get_submodule(place.path)
            if module not in left_out:
                handle = module.register_forward_hook(_Addition(up, down, rows))
                hooks.callback(handle.remove)
        yield


@dataclass(frozen=True, slots=True)
class LorasBeside(DenoiserPatch):
    """The LoRAs of a batch whose tasks have different ones. The engine makes it; no task asks for it."""

    layout: Layout

    @property
    def batch_key(self) -> Hashable:
        return self.layout

    @contextmanager
    def apply(self, unet: Any, rows: PatchedRows, inputs: DenoiserInputs) -> Iterator[None]:
        """Cached keys and values of the text have their products already."""
        layers = text_layers(unet) if inputs.conditioning.cached_kv else []
        without = [projection for layer in layers for projection in (layer.to_k, layer.to_v)]
        with beside(unet, self.layout, rows.tensors[SETS], rows.tensors[OF_ROWS], without):
            yield


@dataclass(frozen=True, slots=True)
class _Addition:
    """A hook that adds the products to a module's output."""

    up: Tensor
    """[sets, out, rank]."""
    down: Tensor
    """[sets, rank, in, …]."""
    rows: Tensor | None

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if self.rows is None or self.down.shape[0] * self.down.shape[1] <= MOST_TOGETHER:
            return output + self._all_sets(module, inputs[0], self.rows)
        return output + self._own_sets(module, inputs[0], self.rows).view(output.shape)

    def _all_sets(self, module: nn.Module, x: Tensor, rows: Tensor | None) -> Tensor:
        """All sets for all rows, of which each row keeps its own: two large products."""
        down, up = self.down.flatten(0, 1), self.up.transpose(0, 1).flatten(1)
        if isinstance(module, nn.Conv2d):
            low = _convolve(module, x, down)
            if rows is not None:
                low = low.masked_fill(self._others(rows)[..., None, None], 0)
            return F.conv2d(low, up[..., None, None])
        low = F.linear(x, down)
        if rows is not None:
            others = self._others(rows)
            low = low.masked_fill(others.view(len(others), *[1] * (low.ndim - 2), -1), 0)
        return F.linear(low, up)

    def _others(self, rows: Tensor) -> Tensor:
        """bool [rows, sets · rank]: which ranks are of other sets than the row's own. Their values are replaced, not
        multiplied by 0: a set that overflows must not become NaN in its neighbours."""
        sets, rank = self.down.shape[:2]
        others = torch.arange(sets, device=rows.device) != rows[:, None]
        return others.repeat_interleave(rank, dim=1)

    def _own_sets(self, module: nn.Module, x: Tensor, rows: Tensor) -> Tensor:
        """For each row its own set alone: many small products."""
        count, (up, down) = len(x), (self.up[rows], self.down[rows])
        if isinstance(module, nn.Conv2d):
            together = _convolve(module, x.reshape(1, -1, *x.shape[2:]), down.flatten(0, 1), groups=count)
            return torch.bmm(up, together.view(count, down.shape[1], -1))
        low = torch.bmm(x.reshape(count, -1, x.shape[-1]), down.transpose(1, 2))
        return torch.bmm(low, up.transpose(1, 2))


def _convolve(module: nn.Conv2d, x: Tensor, kernels: Tensor, groups: int = 1) -> Tensor:
    """`x` by other kernels [outputs, inputs / groups, height, width], as the module convolves its own."""
    padding: Any = module.padding
    if module.padding_mode != "zeros":
        x = F.pad(x, [each for each in reversed(padding) for _ in range(2)], mode=module.padding_mode)
        padding = 0
    return F.conv2d(x, kernels, None, module.stride, padding, module.dilation, groups)


def _padded(rank: int) -> int:
    """The smallest of RANKS that is enough; 0 if none is."""
    return next((each for each in RANKS if each >= rank), 0)


def _takes_products(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)


def _fits(product: LowRank, weight: Tensor) -> bool:
    """A LoRA for another family does not; merging it tells what is wrong."""
    return product.up.shape[0] == weight.shape[0] and product.down.numel() == product.rank * weight[0].numel()
