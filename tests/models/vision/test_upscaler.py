"""The upscaler against the forward pass of spandrel over the whole image."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from spandrel import ModelLoader, ModelTiling
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN
from torch import Tensor

from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.finite import NotFiniteError
from models.toy.single import enlarging_softly
from models.vision import upscaler
from models.vision.spandrel_net import NetError, read_net
from models.vision.upscaler import Upscaler
from tests.support.nets import net_of, spoil

CPU = torch.device("cpu")
Loaded = Callable[..., Upscaler]


def entry_of(file: Path) -> ModelEntry:
    return ModelEntry(name=file.stem, path=file, family="upscaler")


def vivid(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The toy before its training, with its texture amplified so that every convolution changes the image."""
    amplified = {name: tensor * 2 if name.startswith("body") else tensor for name, tensor in weights.items()}
    amplified["conv_body.weight"] = amplified["conv_body.weight"] * 4
    return amplified


@pytest.fixture(scope="module")
def files(toys: Catalog, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Nets with different requirements for their input."""
    folder = tmp_path_factory.mktemp("upscalers")
    torch.manual_seed(1)
    toy = load_file(toys.find("esr").path)
    nets = {
        "toy": toy,
        "vivid": vivid(enlarging_softly()),
        "compact": Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=4).state_dict(),
        "unshuffle": ESRGAN(in_nc=12, out_nc=3, num_filters=8, num_blocks=2, scale=4, shuffle_factor=2).state_dict(),
    }
    for name, state in nets.items():
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, folder / f"{name}.safetensors")
    return {name: folder / f"{name}.safetensors" for name in nets}


def image(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def by_spandrel(file: Path, pixels: np.ndarray) -> np.ndarray:
    image = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2).float() / 255
    result = ModelLoader().load_from_file(file).eval()(image)
    return (result[0].permute(1, 2, 0) * 255).round().byte().numpy()


def enlarged(net: Upscaler, pixels: np.ndarray) -> tuple[np.ndarray, int]:
    """The image enlarged, and the number of batches."""
    canvas = net.canvas(pixels)
    return canvas, sum(1 for _ in net.enlarge(pixels, canvas))


def difference(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


@pytest.mark.parametrize(("name", "scale"), [("toy", 4), ("vivid", 4), ("compact", 4), ("unshuffle", 2)])
@pytest.mark.parametrize("size", [(40, 24), (33, 5)])
def test_one_tile_equals_spandrel(files: dict[str, Path], name: str, scale: int, size: tuple[int, int]) -> None:
    net = upscaler.load(entry_of(files[name]), CPU, torch.float32)
    result, batches = enlarged(net, image(*size))
    assert (net.scale, batches) == (scale, 1)
    assert difference(result, by_spandrel(files[name], image(*size))) == 0


@pytest.mark.parametrize("name", ["vivid", "compact", "unshuffle"])
@pytest.mark.parametrize("size", [(150, 97), (200, 40), (65, 64)])
def test_tiles_show_no_seams(files: dict[str, Path], name: str, size: tuple[int, int]) -> None:
    net = Upscaler(entry_of(files[name]), read_net(entry_of(files[name])), torch.float32, tile_size=64)
    whole = by_spandrel(files[name], image(*size))
    result, batches = enlarged(net, image(*size))
    assert batches > 1
    assert difference(result, whole) <= 1
    assert name != "vivid" or (net.margin > 4 and whole.std() > 20)


def test_tiles_without_a_margin_show_seams(files: dict[str, Path]) -> None:
    net = Upscaler(entry_of(files["vivid"]), read_net(entry_of(files["vivid"])), torch.float32, tile_size=64)
    net.margin = 0
    assert difference(enlarged(net, image(100, 70))[0], by_spandrel(files["vivid"], image(100, 70))) > 20


def test_batch_has_the_pixels_of_one_square_tile(files: dict[str, Path]) -> None:
    net = Upscaler(entry_of(files["compact"]), read_net(entry_of(files["compact"])), torch.float32, tile_size=64)
    _, batches = enlarged(net, image(400, 16))
    tiles = -(-(400 - 2 * net.margin) // (64 - 2 * net.margin))
    assert batches == -(-tiles // 4) < tiles


def test_net_with_internal_tiling_is_not_tiled(files: dict[str, Path]) -> None:
    net = read_net(entry_of(files["compact"]))
    net.tiling = ModelTiling.INTERNAL
    assert enlarged(Upscaler(entry_of(files["compact"]), net, torch.float32, tile_size=32), image(80, 50))[1] == 1


def limited(net: Upscaler, pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulates a device without memory for more than `pixels` at once."""
    forward = net._forward  # private: the memory of a device cannot be limited from outside

    def forward_or_fail(planes: Tensor) -> Tensor:
        if planes.shape[0] * planes.shape[2] * planes.shape[3] > pixels:
            raise torch.OutOfMemoryError("none left")
        return forward(planes)

    monkeypatch.setattr(net, "_forward", forward_or_fail)


def test_tiles_shrink_if_memory_is_short(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    net = upscaler.load(entry_of(files["compact"]), CPU, torch.float32)
    limited(net, 64 * 64, monkeypatch)
    result, batches = enlarged(net, image(150, 90))
    assert batches > 1
    assert difference(result, by_spandrel(files["compact"], image(150, 90))) <= 1
    limited(net, 16 * 16, monkeypatch)
    with pytest.raises(torch.OutOfMemoryError):
        enlarged(net, image(150, 90))


def test_half_precision_if_the_architecture_supports_it(files: dict[str, Path]) -> None:
    whole, half = (upscaler.load(entry_of(files["toy"]), CPU, dtype) for dtype in (torch.float32, torch.float16))
    assert (half.dtype, 2 * half.bytes) == (torch.float16, whole.bytes)
    assert difference(enlarged(half, image(20, 20))[0], enlarged(whole, image(20, 20))[0]) <= 3


def test_load_refuses_other_nets(toys: Catalog, files: dict[str, Path], tmp_path: Path) -> None:
    def load(file: Path) -> None:
        upscaler.load(entry_of(file), CPU, torch.float32)

    restorer, grey, short = (tmp_path / f"{name}.safetensors" for name in ("restorer", "grey", "short"))
    save_file(Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=1).state_dict(), restorer)
    save_file(Compact(num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=2, upscale=4).state_dict(), grey)
    save_file({key: tensor for key, tensor in load_file(files["toy"]).items() if "rdb3" not in key}, short)
    for file in (restorer, grey):
        with pytest.raises(NetError, match="not one that enlarges RGB images; give a super-resolution net"):
            load(file)
    with pytest.raises(NetError, match="does not fit the architecture"):
        load(short)
    with pytest.raises(NetError, match="has no known architecture of family upscaler"):
        load(next((toys.find("toy-sd1").path / "unet").glob("*.safetensors")))


def test_a_picture_of_nan_is_refused(files: dict[str, Path]) -> None:
    loaded = upscaler.load(entry_of(files["compact"]), CPU, torch.float32)
    spoil(net_of(loaded).model)
    pixels = image(16, 16)
    with pytest.raises(NotFiniteError, match="model 'compact' of family upscaler returned NaN or infinity"):
        list(loaded.enlarge(pixels, loaded.canvas(pixels)))


def test_a_net_that_overflows_in_half_precision_goes_on_in_single(files: dict[str, Path]) -> None:
    half, single = (upscaler.load(entry_of(files["compact"]), CPU, dtype) for dtype in (torch.float16, torch.float32))
    for loaded in (half, single):
        first, *_, last = (weight for weight in net_of(loaded).model.parameters() if weight.ndim > 1)
        first.data.mul_(6e4 / float(first.data.abs().max()))
        last.data.mul_(1e-5)
    pixels = image(16, 16)
    pictures = [loaded.canvas(pixels) for loaded in (half, single)]
    for loaded, picture in zip((half, single), pictures, strict=True):
        list(loaded.enlarge(pixels, picture))
    assert half.dtype == torch.float32
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() <= 1
