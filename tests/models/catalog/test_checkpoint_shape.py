from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models import catalog
from models.catalog.checkpoint_shape import CheckpointShape, read_shape
from tests.support import model_files as files


@pytest.mark.parametrize(
    ("family", "encoders"),
    [("sd1", [(12, 768)]), ("sd2", [(23, 1024)]), ("sdxl", [(12, 768), (32, 1280)])],
)
@pytest.mark.parametrize("channels", [4, 9])
def test_single_file_has_the_encoders_of_its_family(
    family: str, encoders: list[tuple[int, int]], channels: int, tmp_path: Path
) -> None:
    file = tmp_path / "x.safetensors"
    shapes = {"0.0": (8, channels, 3, 3), "1.1.proj_in": (8, 8, 1, 1), "1.1.transformer_blocks.0.attn2.to_k": (8, 8)}
    save_file({f"model.diffusion_model.input_blocks.{name}.weight": torch.zeros(shapes[name]) for name in shapes}, file)
    shape = read_shape(file, None, family)
    assert (list(shape.text_encoders), shape.in_channels) == (encoders, channels)
    assert shape.only_inpaints == (channels == 9)


def test_config_that_leaves_sizes_out_has_those_of_transformers(tmp_path: Path) -> None:
    (tmp_path / "text_encoder").mkdir()
    (tmp_path / "text_encoder" / "config.json").write_text(json.dumps({"vocab_size": 49408}))
    assert read_shape(tmp_path, None, "sd1").text_encoders == ((12, 512),)


@pytest.mark.parametrize(
    ("shapes", "family", "lacks"),
    [
        (files.SD1, "sd1", ()),
        (files.SDXL, "sdxl", ()),
        (files.UNETS["sd2"], "sd2", ("text_encoder", "vae")),
        (files.UNETS["sdxl"], "sdxl", ("text_encoder", "text_encoder_2", "vae")),
        (files.UNETS["sd1"] | files.with_prefix("vae.", files.VAE), "sd1", ("text_encoder",)),
        (files.UNETS["sd1"], "sd2", ()),  # of another family: loading tells what is wrong
    ],
)
def test_header_tells_which_parts_a_file_lacks(
    shapes: files.Shapes, family: str, lacks: tuple[str, ...], tmp_path: Path
) -> None:
    assert read_shape(files.write_model(tmp_path / "x.safetensors", shapes), None, family).lacks == lacks


@pytest.mark.parametrize("content", [b"", b"12345678", b"\x02\0\0\0\0\0\0\0{}"])
def test_broken_file_tells_no_channels(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(content)
    assert read_shape(file, None, "sd1").in_channels is None


@pytest.mark.parametrize("config", ["", "[]", "{", '{"hidden_size": "wide"}'])
def test_broken_folder_tells_nothing(config: str, tmp_path: Path) -> None:
    for part in ("text_encoder", "unet"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "config.json").write_text(config)
    assert read_shape(tmp_path, None, "sd1") == CheckpointShape()


def test_catalog_knows_the_shapes_of_checkpoints(models_dir: Path) -> None:
    shapes = {entry.name: entry.shape for entry in catalog.read(models_dir)}
    assert shapes["toy-sd1"] == (((4, 128),), 4, ())
    assert shapes["toy-sdxl"] == (((12, 32), (12, 64)), 4, ())
    assert shapes["toy-sd1-inpainting"].only_inpaints
    assert shapes["toy-esrgan"] == CheckpointShape()
