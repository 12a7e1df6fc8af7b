from collections.abc import Callable
from pathlib import Path

import pytest

from models.files.ncnn_param import NcnnError, read_param
from models.files.ncnn_upscaler import NcnnUpscaler, recognise
from tests.support.ncnn_files import compact_weights, edit, rrdb_weights, write_compact, write_rrdb


def upscaler_of(param: Path) -> NcnnUpscaler:
    return recognise(param, read_param(param))


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(("blocks", "steps"), [(1, 2), (3, 1), (2, 3)])
def test_rrdb_is_known_by_its_layers(tmp_path: Path, blocks: int, steps: int, fused: bool) -> None:
    weights = rrdb_weights(blocks, steps)
    upscaler = upscaler_of(write_rrdb(tmp_path / "x.param", weights, fused=fused))
    assert upscaler.architecture == f"RRDB, {blocks} block{'s' * (blocks > 1)}"
    assert (upscaler.scale, upscaler.net_scale) == (2**steps, 2**steps)
    assert {f"{key}.weight" for key in upscaler.keys} == {key for key in weights if key.endswith("weight")}


@pytest.mark.parametrize(("scale", "shrunk", "result"), [(4, 1, 4), (2, 1, 2), (4, 0.5, 2), (4, 0.75, 3)])
def test_compact_net_may_shrink_its_result(tmp_path: Path, scale: int, shrunk: float, result: int) -> None:
    file = write_compact(tmp_path / "x.param", compact_weights(scale=scale), scale=scale, shrunk=shrunk)
    upscaler = upscaler_of(file)
    assert (upscaler.architecture, upscaler.scale, upscaler.net_scale) == ("compact, 3 convolutions", result, scale)
    assert upscaler.keys == ("body.0", "body.1", "body.2", "body.3", "body.4")


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return change


@pytest.mark.parametrize(
    "change",
    [
        replaced("-23310=1,2.000000e-01", "-23310=1,1.000000e-01"),  # another slope
        replaced(" 9=2 -23310=1,2.000000e-01", " 9=1"),  # ReLU
        replaced("-23301=2,2.000000e-01", "-23301=2,1.000000e+00"),  # residuals that are not scaled
        replaced("0=1 1=2.000000e+00", "0=2 1=2.000000e+00"),  # bilinear
        replaced(" 4=1 5=1", " 4=0 5=1"),  # convolutions that cut the rim off
        replaced("Concat", "Crop"),
        replaced("BinaryOp", "Softmax"),
    ],
)
def test_net_that_computes_something_else_is_refused(tmp_path: Path, change: Callable[[str], str]) -> None:
    file = edit(write_rrdb(tmp_path / "x.param", rrdb_weights()), change)
    message = r"x\.param is an ncnn net of an architecture that is not known here \(its layers: 21 Convolution, "
    with pytest.raises(NcnnError, match=message):
        upscaler_of(file)


@pytest.mark.parametrize(
    "change",
    [
        replaced("0=1 1=4", "0=2 1=4"),  # adds the image enlarged smoothly
        replaced("0=3 1=5", "0=2 1=5"),  # shrinks otherwise
        replaced("PixelShuffle", "Reorg"),
    ],
)
def test_compact_net_that_computes_something_else_is_refused(tmp_path: Path, change: Callable[[str], str]) -> None:
    file = edit(write_compact(tmp_path / "x.param", compact_weights(), shrunk=0.5), change)
    with pytest.raises(NcnnError, match="of an architecture that is not known here"):
        upscaler_of(file)


def test_int8_net_and_net_that_does_not_enlarge_are_refused(tmp_path: Path) -> None:
    file = edit(write_rrdb(tmp_path / "x.param", rrdb_weights()), replaced(" 5=1", " 5=1 8=2"))
    with pytest.raises(
        NcnnError, match=r"x\.param is an int8 net, which is not supported; get the net in fp16 or fp32"
    ):
        upscaler_of(file)
    with pytest.raises(NcnnError, match=r"y\.param is a net that does not enlarge"):
        upscaler_of(write_rrdb(tmp_path / "y.param", rrdb_weights(steps=0)))
