from __future__ import annotations

from pathlib import Path

import pytest

from models.files.weights_error import WeightsError
from models.loading.folder_files import read_json, weight_files


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["model.fp16.safetensors", "model.safetensors"], ["model.safetensors"]),
        (["model.fp16.safetensors"], ["model.fp16.safetensors"]),
        (
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.fp16.safetensors"],
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
        ),
        (
            ["model.fp16-00001-of-00002.safetensors", "model.fp16-00002-of-00002.safetensors"],
            ["model.fp16-00001-of-00002.safetensors", "model.fp16-00002-of-00002.safetensors"],
        ),
    ],
)
def test_plain_weights_are_chosen_and_shards_are_complete(
    names: list[str], expected: list[str], tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert [file.name for file in weight_files(tmp_path)] == expected


def test_missing_shard_is_named(tmp_path: Path) -> None:
    (tmp_path / "model-00002-of-00003.safetensors").touch()
    with pytest.raises(WeightsError, match=r"lacks model-00001-of-00003\.safetensors, a part of its weights"):
        weight_files(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", "\N{REPLACEMENT CHARACTER}", "[" * 100_000])
def test_config_that_is_no_object_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(WeightsError, match=r"config\.json .*; copy it from the original model"):
        read_json(tmp_path / "config.json")
