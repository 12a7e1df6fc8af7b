from collections.abc import Iterator

import numpy as np
import pytest

from pipelines.recipes.captioning import caption, with_gender


class ThreeTokens:
    """A captioner with three tokens for every picture."""

    def tokens(self, picture: np.ndarray) -> Iterator[int]:
        yield from (7, 8, 9)

    def text(self, tokens: list[int]) -> str:
        return " ".join(map(str, tokens))


def test_caption_yields_after_each_token_and_returns_the_text() -> None:
    recipe = caption(ThreeTokens(), np.zeros((8, 8, 3), np.uint8))
    assert [next(recipe) for _ in range(3)] == [[], [], []]
    with pytest.raises(StopIteration) as finished:
        next(recipe)
    assert finished.value.value == "7 8 9"


@pytest.mark.parametrize(
    ("text", "description", "prompt"),
    [
        ("oil", "a woman with a dog", "1girl, oil"),
        ("", "Two boys, and a girl", "1boy"),
        ("oil", "a manor and a lady's hat", "1girl, oil"),
        ("oil", "a house", "oil"),
        ("2girls, oil", "a man", "2girls, oil"),
    ],
)
def test_gender_of_the_caption_goes_first(text: str, description: str, prompt: str) -> None:
    assert with_gender(text, description) == prompt
