import pytest

from models.diffusion.word_match import any_of


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("a cat, Cat-like concatenation", ["cat"]),
        ("CAT", ["CAT"]),
        ("a<style>b <style-2>", ["<style>", "<style-2>"]),
        ("cat nap", ["cat nap"]),
        ("猫", []),
    ],
)
def test_any_of_matches_whole_words(prompt: str, found: list[str]) -> None:
    assert any_of(["cat", "cat nap", "<style>", "<style-2>"]).findall(prompt) == found


def test_any_of_no_words_matches_nothing() -> None:
    assert any_of([]).search("a cat") is None
