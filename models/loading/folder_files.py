"""The files of a folder as diffusers and transformers save a model: its configs and its weights."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from models.files.weights_error import WeightsError
from models.plain_files import open_plain

_SHARD = re.compile(r"(?P<name>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.safetensors")


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of one net. Of several variants the plain one: `model` before `model.fp16`.

    Large models are cut into shards `model-00001-of-00002`. Raises WeightsError.
    """
    if not folder.is_dir():
        raise WeightsError(f"{folder} does not exist; copy this part of the original model there")
    files = sorted(folder.glob("*.safetensors"), key=lambda file: (file.name.count("."), file.name))
    whole = [file for file in files if not _SHARD.fullmatch(file.name)]
    if whole and (len(whole) == len(files) or whole[0].name.count(".") <= files[0].name.count(".")):
        return whole[:1]
    if not files:
        raise WeightsError(f"{folder} has no .safetensors weights; convert or copy them there")
    return _shards(files[0])


def _shards(first: Path) -> list[Path]:
    """All shards of the model that one shard belongs to."""
    match = _SHARD.fullmatch(first.name)
    if match is None:
        return [first]
    count = match["count"]
    shards = [
        first.with_name(f"{match['name']}-{number:05}-of-{count}.safetensors") for number in range(1, int(count) + 1)
    ]
    if lost := [shard for shard in shards if not shard.is_file()]:
        raise WeightsError(f"{first.parent} lacks {lost[0].name}, a part of its weights; copy it there")
    return shards


def read_json(file: Path) -> dict[str, Any]:
    """The object in a config file. Raises WeightsError."""
    try:
        with open_plain(file) as opened:
            content = json.loads(opened.read().decode("utf-8"))
    except OSError as error:
        raise WeightsError(f"cannot read {file} ({error.strerror}); copy it from the original model") from error
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{file} is no JSON ({error}); copy it from the original model") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{file} holds no object of settings; copy it from the original model")
    return content
