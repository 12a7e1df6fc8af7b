"""Files as nobody should write them, and what is no file at all: each is one problem, and all other models stay."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from models import catalog
from models.catalog.scan import Problem, Scanner, identify
from tests.support import model_files as files
from tests.support.model_files import write_model
from tests.support.ncnn_files import compact_weights, write_compact

odd = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
numbers = some.integers() | some.sampled_from((0, 1, 3, 4, 9, 768, 1 << 63, 10**300)) | some.floats()
values = some.recursive(
    some.none() | some.booleans() | numbers | some.text(max_size=9),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)
MODELS: list[files.Shapes] = [
    *(files.SD1, files.SDXL, files.UNETS["sd2"], files.CONTROLNET, files.LORA_XL, files.EMBEDDING, files.IP_ADAPTER),
    *(files.VAE, files.image_encoder(8, 8), {"clip_l": (1, 768), "clip_g": (1, 1280)}),
    {f"lora_unet_mid_block_attn2_to_k.{role}.weight": (8, 8) for role in ("a1", "a2", "b1", "b2")},
    {f"lora_unet_mid_block_attn2_to_k.lokr_w{role}": (8, 8) for role in (1, "2_a", "2_b")},
]
KNOWN = sorted({key for shapes in MODELS for key in shapes})
shapes = some.lists(some.sampled_from((0, 1, 4, 9, 768, 1280)), max_size=5)
almost_models = some.sampled_from(MODELS).flatmap(
    lambda model: some.fixed_dictionaries({key: some.just(shape) | shapes for key, shape in model.items()})
)


def write_header(file: Path, header: object, *, size: int | None = None) -> Path:
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text) if size is None else size) + text)
    return file


def tensor(shape: Sequence[int]) -> dict[str, Any]:
    """Without numbers, and of a dtype whose size is not known, so that the file need not hold them."""
    return {"dtype": "F4", "shape": shape, "data_offsets": [0, 0]}


tensors = some.builds(
    lambda dtype, shape, offsets: {"dtype": dtype, "shape": shape, "data_offsets": offsets},
    some.sampled_from(("F16", "F4")) | values,
    shapes | values,
    some.just([0, 0]) | some.lists(numbers, min_size=1, max_size=3) | values,
)
metadata = some.dictionaries(
    some.sampled_from(("ss_tag_frequency", "ss_base_model_version", "modelspec.resolution", "modelspec.title")),
    values.map(json.dumps) | values,
)


@odd
@given(header=some.dictionaries(some.sampled_from(KNOWN), tensors, max_size=3) | values, metadata=metadata | values)
def test_no_header_raises(tmp_path: Path, header: Any, metadata: Any) -> None:
    if isinstance(header, dict):
        header = {**header, "__metadata__": metadata}
    identify(write_header(tmp_path / "odd.safetensors", header))


@odd
@given(shapes=almost_models, metadata=metadata)
def test_no_shapes_and_no_metadata_raise(tmp_path: Path, shapes: files.Shapes, metadata: dict[str, Any]) -> None:
    """The header is right, but some shapes are not what these keys have in any model."""
    header = {key: tensor(shape) for key, shape in shapes.items()}
    identify(write_header(tmp_path / "odd.safetensors", {**header, "__metadata__": metadata}))


@odd
@given(content=some.binary(max_size=99), size=some.none() | some.integers(0, 99) | some.integers(0, 2**64 - 1))
def test_no_bytes_raise(tmp_path: Path, content: bytes, size: int | None) -> None:
    for name in ("odd.safetensors", "odd.param", "odd.bin"):
        file = tmp_path / name
        file.write_bytes((b"" if size is None else struct.pack("<Q", size)) + content)
        identify(file)


@odd
@given(values)
def test_no_config_of_a_folder_raises(tmp_path: Path, content: Any) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": content, "_class_name": content}))
    (tmp_path / "model_index.json").write_text(json.dumps(content))
    identify(tmp_path)


@odd
@example(line=5, word=6, text="9223372036854775808").via("its weights end behind the last byte that a file can have")
@given(line=some.integers(0, 20), word=some.integers(0, 20), text=some.text(max_size=5) | numbers.map(str))
def test_no_text_of_an_ncnn_net_raises(tmp_path: Path, line: int, word: int, text: str) -> None:
    param = write_compact(tmp_path / "x4.param", compact_weights())
    lines = [each.split(" ") for each in param.read_text().splitlines()]
    words = lines[line % len(lines)]
    key, equals, _ = words[word % len(words)].partition("=")
    words[word % len(words)] = key + equals + text if equals else text
    param.write_text("\n".join(map(" ".join, lines)))
    identify(param)


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    "text",
    [
        '{"__metadata__": 5}',
        '{"__metadata__": ["a"]}',
        '{"x": {"dtype": "F16", "shape": [Infinity], "data_offsets": [0, 0]}}',
        '{"x": {"dtype": "F16", "shape": [0], "data_offsets": [0, "0"]}}',
        '{"x": {"dtype": "F16", "shape": [0], "data_offsets": [0, 0.0]}}',
        '{"x": {"dtype": "F16", "shape": [true, 0], "data_offsets": [0, 0]}}',
        '{"x": {"dtype": ["F16"], "shape": [0], "data_offsets": [0, 0]}}',
        '{"x": {"dtype": "F4", "shape": [-1], "data_offsets": [0, 0]}}',
        '{"x": {"dtype": "F4", "shape": [1], "data_offsets": [9, 0]}}',
        '{"\\ud800": {"dtype": "F16", "shape": [0], "data_offsets": [0, 0]}}',
        '{"__metadata__": {"modelspec.trigger_phrase": "\\udc80"}}',
        f'{{"x": {{"dtype": "F16", "shape": {[9] * 1000}, "data_offsets": [0, 0]}}}}',
        f'{{"x": {deep(100_000)}}}',
        f'{{"x": {"9" * 5000}}}',
    ],
)
def test_odd_header_is_one_problem(tmp_path: Path, text: str) -> None:
    write_model(tmp_path / "good.safetensors", files.SD1)
    (tmp_path / "odd.safetensors").write_bytes(struct.pack("<Q", len(text)) + text.encode())
    read = catalog.read(tmp_path)
    assert [problem.path.name for problem in read.problems] == ["odd.safetensors"]
    assert "odd.safetensors " in read.problems[0].message
    assert "; copy it again" in read.problems[0].message
    assert read.find("good").family == "sd1"


@pytest.mark.parametrize("text", [deep(100_000), "[1]", '{"architectures": 5}', "{", "\x00", "1e999", "9" * 5000])
def test_odd_config_takes_no_model_with_it(tmp_path: Path, text: str) -> None:
    write_model(tmp_path / "good.safetensors", files.SD1)
    folder = tmp_path / "odd"
    write_model(folder / "model.safetensors", files.SD1)
    (folder / "config.json").write_text(text)
    assert [entry.name for entry in catalog.read(tmp_path) if entry.path.suffix] == ["good"]


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


NOT_FILES: dict[str, Callable[[Path], object]] = {
    "circle": lambda path: path.symlink_to(path.name),
    "circle of two": lambda path: [path.symlink_to("other.safetensors"), path.with_stem("other").symlink_to(path)],
    "dangling link": lambda path: path.symlink_to("/nowhere"),
    "link through a file": lambda path: path.symlink_to("good.safetensors/x"),
    "pipe": os.mkfifo,
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "socket": make_socket,
    "link to its own folder": lambda path: path.symlink_to("."),
}


@pytest.mark.parametrize("make", NOT_FILES.values(), ids=NOT_FILES)
@pytest.mark.parametrize("suffix", [".safetensors", ".onnx", ".param"])
def test_what_is_no_file_is_one_problem(tmp_path: Path, make: Callable[[Path], object], suffix: str) -> None:
    write_model(tmp_path / "good.safetensors", files.SD1)
    make(odd := tmp_path / f"odd{suffix}")
    read = catalog.read(tmp_path)
    assert read.find("good").family == "sd1"
    [message] = [problem.message for problem in read.problems if problem.path == odd or odd.name in problem.message]
    assert "; " in message


@pytest.mark.parametrize("make", NOT_FILES.values(), ids=NOT_FILES)
def test_what_is_no_file_beside_a_model_takes_nothing_with_it(tmp_path: Path, make: Callable[[Path], object]) -> None:
    folder = tmp_path / "folder"
    write_model(folder / "good.safetensors", files.SD1)
    write_model(tmp_path / "clip" / "model.safetensors", files.image_encoder(8, 8))
    for parent in (folder, tmp_path / "clip"):
        for name in ("config.json", "a.safetensors", "model_index.json", "circle"):
            make(parent / name)
            [each.unlink() for each in parent.glob("other.*")]
    assert [entry.name for entry in catalog.read(tmp_path)] == ["good"]


def test_problem_of_a_link_ends_with_it(tmp_path: Path) -> None:
    scanner, link = Scanner(), tmp_path / "x.safetensors"
    link.symlink_to("away")
    assert "leads to no file; correct it, or remove it" in scanner.scan([tmp_path])[1][0].message
    before = scanner.state
    write_model(tmp_path / "y.safetensors", files.SD1).rename(tmp_path / "away")
    assert [model.family for model in scanner.scan([tmp_path])[0]] == ["sd1"]
    assert scanner.state != before


@pytest.mark.parametrize(
    "name",
    [b"\xff\xfe", b"a\nb", b"\x1b[31m", b"\xff" * 200, "名".encode() * 80, b"\xed\xa0\x80", b" ", b"%s %d"],
)
def test_odd_names_can_be_shown(tmp_path: Path, name: bytes) -> None:
    write_model(tmp_path / "good.safetensors", files.SD1)
    folder = tmp_path / os.fsdecode(name)
    write_model(folder / "x.safetensors", files.LORA_SD1)
    write_model(tmp_path / "x.safetensors", files.LORA_SD1)
    torn = tmp_path / os.fsdecode(name + b".safetensors")
    torn.write_bytes(b"torn")
    (tmp_path / os.fsdecode(name + b"2.safetensors")).write_bytes((tmp_path / "x.safetensors").read_bytes())
    read = catalog.read(tmp_path)
    assert {"good", "x"} <= {entry.name for entry in read}
    shown = [(problem.names, problem.message) for problem in read.problems]
    shown += [(entry.name, entry.title, str(entry.path)) for entry in read]
    "".join(map(str, shown)).encode()
    for text in (text for problem in read.problems for text in (problem.message, *problem.names)):
        assert text.isprintable()


def test_folder_that_becomes_a_file_and_back(tmp_path: Path) -> None:
    scanner, path = Scanner(), tmp_path / "x.safetensors"
    for _ in range(2):
        write_model(path / "y.safetensors", files.SD1)
        assert [model.path.name for model in scanner.scan([tmp_path])[0]] == ["y.safetensors"]
        (path / "y.safetensors").unlink()
        path.rmdir()
        write_model(path, files.LORA_SD1)
        assert [model.path.name for model in scanner.scan([tmp_path])[0]] == ["x.safetensors"]
        path.unlink()


def test_very_deep_folders_end(tmp_path: Path) -> None:
    write_model(tmp_path / "good.safetensors", files.SD1)
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(40):
        os.mkdir("d" * 200, dir_fd=here)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    assert [model.family for model in Scanner().scan([tmp_path])[0]] == ["sd1"]


def test_fault_of_the_program_is_one_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(tmp_path / "good.safetensors", files.SD1)
    write_model(tmp_path / "odd.safetensors", files.SD1)

    def break_down(path: Path) -> None:
        if path.stem == "odd":
            raise AssertionError("this is a bug")
        return identify(path)

    monkeypatch.setattr("models.catalog.scan.identify", break_down)
    models, [problem] = Scanner().scan([tmp_path])
    assert [model.path.stem for model in models] == ["good"]
    assert problem == Problem(
        tmp_path.resolve() / "odd.safetensors",
        "odd.safetensors cannot be read (AssertionError: this is a bug); copy it again, or move it elsewhere",
    )
