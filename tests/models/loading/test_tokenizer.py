from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer, CLIPTokenizer

from models.catalog.catalog import Catalog
from models.files.weights_error import WeightsError
from models.loading.tokenizer import read_tokenizer

PROMPT = "a red house on the grass"


@pytest.fixture
def folder(toys: Catalog, tmp_path: Path) -> Path:
    return shutil.copytree(toys.find("toy-sd1").path / "tokenizer", tmp_path / "tokenizer")


def split(folder: Path, merges: slice = slice(None)) -> None:
    """Writes the vocabulary as older versions of transformers do, with some of its merges."""
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    lines = [" ".join(merge) for merge in model["merges"][merges]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines]) + "\n")


def test_both_layouts_cut_a_prompt_alike(folder: Path) -> None:
    whole = read_tokenizer(CLIPTokenizer, folder)(PROMPT).input_ids
    split(folder)
    assert read_tokenizer(CLIPTokenizer, folder)(PROMPT).input_ids == whole


def test_folder_without_vocabulary_is_refused(folder: Path) -> None:
    """The library would return a tokenizer to which all words are the same."""
    (folder / "tokenizer.json").unlink()
    with pytest.raises(WeightsError, match=r"lacks vocab\.json; copy vocab\.json and merges\.txt, or tokenizer\.json"):
        read_tokenizer(CLIPTokenizer, folder)


@pytest.mark.parametrize("name", ["captioner", "enhancer"])
def test_text_model_without_vocabulary_is_refused(name: str, toys: Catalog, tmp_path: Path) -> None:
    folder = shutil.copytree(toys.find(name).path, tmp_path / name)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(WeightsError, match=r"lacks|cannot be read"):
        read_tokenizer(AutoTokenizer, folder)


def test_merges_that_are_cut_short_are_refused(folder: Path) -> None:
    """Words would be cut into other tokens than the model has learnt."""
    split(folder, slice(0, 300))
    with pytest.raises(WeightsError, match=r"has 1030 tokens, but only 300 merges, so one of its files is cut short"):
        read_tokenizer(CLIPTokenizer, folder)


def test_folder_that_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="gone does not exist; copy the tokenizer"):
        read_tokenizer(CLIPTokenizer, tmp_path / "gone")
