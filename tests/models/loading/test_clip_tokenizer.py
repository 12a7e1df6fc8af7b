import importlib.util

import pytest

from models.files.weights_error import WeightsError
from models.loading.clip_tokenizer import clip_tokenizer
from models.loading.clip_vocabulary import SIZE, clip_vocabulary

TEXTS = [
    "a photo of a cat",
    "Hello, WORLD! 12 <lora>",
    "über naïve café",
    "一只猫 🐱",
    "it's (masterpiece:1.2), don't",
    "x" * 300,
]


def test_ids_are_those_of_the_published_vocabulary() -> None:
    tokenizer = clip_tokenizer()
    assert len(tokenizer) == SIZE
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert (tokenizer.pad_token_id, clip_tokenizer("!").pad_token_id) == (49407, 0)


@pytest.mark.parametrize("text", TEXTS)
def test_ids_equal_those_of_open_clip(text: str) -> None:
    from open_clip.tokenizer import SimpleTokenizer

    reference = SimpleTokenizer(clean="lower").encode(text)
    assert clip_tokenizer()(text, add_special_tokens=False).input_ids == reference


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    clip_vocabulary.cache_clear()  # a process reads the file once
    with pytest.raises(WeightsError, match="install open_clip_torch"):
        clip_tokenizer()
