from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from models.toy.tokenizer import clip_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    """The tokenizer, saved and loaded again."""
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    clip_tokenizer().save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def test_special_tokens_and_length_are_clips(tokenizer: CLIPTokenizer) -> None:
    ids = tokenizer("a red apple", padding="max_length").input_ids
    assert len(ids) == tokenizer.model_max_length == 77
    assert ids[0] == tokenizer.bos_token_id == len(tokenizer) - 2
    assert ids[-1] == tokenizer.eos_token_id == tokenizer.pad_token_id == len(tokenizer) - 1
    assert tokenizer.convert_tokens_to_ids("!") == 0


def test_vocabulary_words_are_one_token(tokenizer: CLIPTokenizer) -> None:
    assert tokenizer.tokenize("A Red apple, on the table") == [
        "a</w>", "red</w>", "apple</w>", ",</w>", "on</w>", "the</w>", "table</w>",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["一只猫在睡觉", "naïve façade", "🦊🌲", "مرحبا", "zzyzx 2049"])
def test_any_script_has_tokens(tokenizer: CLIPTokenizer, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert ids
    assert tokenizer.eos_token_id not in ids
    assert tokenizer.decode(ids).replace(" ", "") == text.replace(" ", "")


def test_padding_token_is_configurable() -> None:
    assert clip_tokenizer("!").pad_token_id == 0
