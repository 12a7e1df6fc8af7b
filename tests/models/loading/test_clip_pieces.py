"""The tokens that the API counts are those that the text encoder gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.files.weights_error import WeightsError
from models.loading.clip_pieces import clip_pieces
from models.loading.clip_tokenizer import clip_tokenizer

TEXTS = ("a photo of a cat", "über naïve café", "一只猫 🐱", "it's  don't\n", "x" * 300, "", "<|endoftext|>")
PIECES, REFERENCE = clip_pieces(), clip_tokenizer()


@pytest.mark.parametrize("text", TEXTS)
def test_ids_equal_those_of_the_tokenizer(text: str) -> None:
    assert PIECES.encode(text).ids == REFERENCE(text, add_special_tokens=False).input_ids


@given(st.text(max_size=80))
def test_ids_of_any_text(text: str) -> None:
    assert PIECES.encode(text).ids == REFERENCE(text, add_special_tokens=False).input_ids


def test_a_folder_has_its_own_vocabulary(tmp_path: Path) -> None:
    REFERENCE.save_pretrained(tmp_path)
    assert clip_pieces(tmp_path).encode("a red house", add_special_tokens=False).ids == PIECES.encode("a red house").ids


def test_vocabulary_and_merges_may_be_two_files(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text('{"a": 0, "b</w>": 1, "ab</w>": 2, "<|startoftext|>": 3, "<|endoftext|>": 4}')
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b</w>\n")
    assert clip_pieces(tmp_path).encode("AB").ids == [2]


def test_a_broken_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(WeightsError, match="cannot be read"):
        clip_pieces(tmp_path)
    with pytest.raises(WeightsError, match="cannot be read"):
        clip_pieces(tmp_path / "none")
