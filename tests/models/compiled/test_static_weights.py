"""Static weights: the next model is loaded to the same addresses, with its own values."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.compiled.static_weights import StaticWeights, layout
from models.diffusion.latent_diffusion import LatentDiffusion
from models.registry import loaders
from models.registry.model_cache import ModelCache
from tests.support.nets import unet_of

CPU = torch.device("cpu")


def net(seed: int, width: int = 8) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(4, width, 3), nn.BatchNorm2d(width)).eval()


def addresses(of: nn.Module) -> list[int]:
    return [weight.data_ptr() for weight in (*of.parameters(), *of.buffers())]


def values(of: nn.Module) -> list[Tensor]:
    return [weight.clone() for weight in (*of.parameters(), *of.buffers())]


def test_settle_moves_weights_to_saved_addresses() -> None:
    first, second = net(1), net(2)
    where, ours, theirs = addresses(first), values(first), values(second)
    static = StaticWeights(first)
    static.keep(first)
    elsewhere = StaticWeights.elsewhere(first)
    assert static.settle(second)
    assert addresses(second) == where
    assert not set(addresses(first)) & set(where)
    assert all(torch.equal(one, other) for one, other in zip(values(first), ours, strict=True))
    assert all(torch.equal(one, other) for one, other in zip(values(second), theirs, strict=True))
    assert elsewhere is not static


def test_settle_refuses_another_layout() -> None:
    first, wider = net(1), net(1, width=9)
    static, before = StaticWeights(first), addresses(wider)
    static.keep(first)
    assert not static.settle(wider)
    assert addresses(wider) == before
    assert not static.settle(net(2)), "a refused layout releases the addresses"
    assert layout(net(1)) == layout(net(2)) != layout(wider)


def test_checkpoints_take_turns_at_the_same_addresses(toys: Catalog) -> None:
    entry = toys.find("toy-sd1")
    twin, wide = entry.model_copy(update={"name": "twin"}), toys.find("toy-sd1-inpainting")
    for host_bytes in (1 << 40, 0):
        cache = ModelCache(FixedCatalog(entry, twin, wide), CPU, torch.float32, 1, host_bytes, loaders.load)  # type: ignore[arg-type]
        slots = [cache.slots[each.name] for each in (entry, twin, wide)]
        cache.bring(slots[0])
        first = slots[0].model
        assert isinstance(first, LatentDiffusion)
        where, static = addresses(unet_of(first)), first.static
        cache.evict(slots[0], coming=slots[1])
        cache.bring(slots[1])
        second = slots[1].model
        assert isinstance(second, LatentDiffusion)
        assert second.static is static
        assert addresses(unet_of(second)) == where
        assert (slots[0].location, slots[1].location) == ("host" if host_bytes else "disk", "device")
        cache.evict(slots[1], coming=slots[2])
        cache.bring(slots[2])
        third = slots[2].model
        assert isinstance(third, LatentDiffusion)
        assert third.static is not static
        assert not set(addresses(unet_of(third))) & set(where)


class FixedCatalog(list[ModelEntry]):
    """A catalog of some entries."""

    def __init__(self, *entries: ModelEntry) -> None:
        super().__init__(entries)
