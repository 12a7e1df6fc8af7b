"""The upscaler against spandrel's own forward pass over the whole picture."""

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
from models.toy.single import enlarging_softly
from models.vision import upscaler
from models.vision.spandrel_net import NetError, read_net
from models.vision.upscaler import Upscaler

CPU = torch.device("cpu")
Loaded = Callable[..., Upscaler]


def entry_of(file: Path) -> ModelEntry:
    return ModelEntry(name=file.stem, path=file, family="upscaler")


def vivid(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The toy before its training, with so much more of its texture that every convolution tells in the picture."""
    loud = {name: tensor * 2 if name.startswith("body") else tensor for name, tensor in weights.items()}
    loud["conv_body.weight"] = loud["conv_body.weight"] * 4
    return loud


@pytest.fixture(scope="module")
def files(toys: Catalog, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A net of each kind that differs in how it must be fed."""
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


def picture(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def by_spandrel(file: Path, pixels: np.ndarray) -> np.ndarray:
    image = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2).float() / 255
    made = ModelLoader().load_from_file(file).eval()(image)
    return (made[0].permute(1, 2, 0) * 255).round().byte().numpy()


def enlarged(net: Upscaler, pixels: np.ndarray) -> tuple[np.ndarray, int]:
    """The picture enlarged, and in how many goes."""
    canvas = net.canvas(pixels)
    return canvas, sum(1 for _ in net.enlarge(pixels, canvas))


def difference(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


@pytest.mark.parametrize(("name", "scale"), [("toy", 4), ("vivid", 4), ("compact", 4), ("unshuffle", 2)])
@pytest.mark.parametrize("size", [(40, 24), (33, 5)])
def test_a_picture_of_one_tile_is_as_spandrel_makes_it(
    files: dict[str, Path], name: str, scale: int, size: tuple[int, int]
) -> None:
    net = upscaler.load(entry_of(files[name]), CPU, torch.float32)
    made, goes = enlarged(net, picture(*size))
    assert (net.scale, goes) == (scale, 1)
    assert difference(made, by_spandrel(files[name], picture(*size))) == 0


@pytest.mark.parametrize("name", ["vivid", "compact", "unshuffle"])
@pytest.mark.parametrize("size", [(150, 97), (200, 40), (65, 64)])
def test_tiles_show_no_seams(files: dict[str, Path], name: str, size: tuple[int, int]) -> None:
    net = Upscaler(entry_of(files[name]), read_net(entry_of(files[name])), torch.float32, side=64)
    whole = by_spandrel(files[name], picture(*size))
    made, goes = enlarged(net, picture(*size))
    assert goes > 1
    assert difference(made, whole) <= 1
    assert name != "vivid" or (net._margin > 4 and whole.std() > 20)


def test_without_the_margin_there_would_be_seams(files: dict[str, Path]) -> None:
    net = Upscaler(entry_of(files["vivid"]), read_net(entry_of(files["vivid"])), torch.float32, side=64)
    net._margin = 0
    assert difference(enlarged(net, picture(100, 70))[0], by_spandrel(files["vivid"], picture(100, 70))) > 20


def test_tiles_go_together_as_far_as_a_square_one_goes(files: dict[str, Path]) -> None:
    net = Upscaler(entry_of(files["compact"]), read_net(entry_of(files["compact"])), torch.float32, side=64)
    _, goes = enlarged(net, picture(400, 16))
    tiles = -(-(400 - 2 * net._margin) // (64 - 2 * net._margin))
    assert goes == -(-tiles // 4) < tiles


def test_a_net_that_must_see_everything_is_not_tiled(files: dict[str, Path]) -> None:
    net = read_net(entry_of(files["compact"]))
    net.tiling = ModelTiling.INTERNAL
    assert enlarged(Upscaler(entry_of(files["compact"]), net, torch.float32, side=32), picture(80, 50))[1] == 1


def limited(net: Upscaler, pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that has no memory for more than so many pixels at once."""
    forward = net._forward

    def scarce(planes: Tensor) -> Tensor:
        if planes.shape[0] * planes.shape[2] * planes.shape[3] > pixels:
            raise torch.OutOfMemoryError("none left")
        return forward(planes)

    monkeypatch.setattr(net, "_forward", scarce)


def test_tiles_shrink_to_the_memory_there_is(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    net = upscaler.load(entry_of(files["compact"]), CPU, torch.float32)
    limited(net, 64 * 64, monkeypatch)
    made, goes = enlarged(net, picture(150, 90))
    assert goes > 1
    assert difference(made, by_spandrel(files["compact"], picture(150, 90))) <= 1
    limited(net, 16 * 16, monkeypatch)
    with pytest.raises(torch.OutOfMemoryError):
        enlarged(net, picture(150, 90))


def test_half_precision_where_the_architecture_has_it(files: dict[str, Path]) -> None:
    whole, half = (upscaler.load(entry_of(files["toy"]), CPU, dtype) for dtype in (torch.float32, torch.float16))
    assert (half.dtype, 2 * half.bytes) == (torch.float16, whole.bytes)
    assert difference(enlarged(half, picture(20, 20))[0], enlarged(whole, picture(20, 20))[0]) <= 3


def test_what_enlarges_no_pictures_is_refused(toys: Catalog, files: dict[str, Path], tmp_path: Path) -> None:
    def load(file: Path) -> None:
        upscaler.load(entry_of(file), CPU, torch.float32)

    restorer, grey, short = (tmp_path / f"{name}.safetensors" for name in ("restorer", "grey", "short"))
    save_file(Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=1).state_dict(), restorer)
    save_file(Compact(num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=2, upscale=4).state_dict(), grey)
    save_file({key: tensor for key, tensor in load_file(files["toy"]).items() if "rdb3" not in key}, short)
    for file in (restorer, grey):
        with pytest.raises(NetError, match="not one that enlarges RGB pictures; give a super-resolution net"):
            load(file)
    with pytest.raises(NetError, match="does not fit the architecture"):
        load(short)
    with pytest.raises(NetError, match="no architecture that is known for family upscaler"):
        load(next((toys.find("toy-sd1").path / "unet").glob("*.safetensors")))
