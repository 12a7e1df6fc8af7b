"""Prompts that change with the steps, and prompts that AND joins."""

from __future__ import annotations

import pytest

from models.diffusion.prompt_schedule import (
    MAX_CHANGES,
    MAX_PARTS,
    Part,
    refuse_too_much_text,
    split_parts,
    texts_by_step,
)
from models.diffusion.prompt_syntax import MAX_DEPTH, PromptError

STEPS = 5


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("a [cat:dog:0.5] here", ["a cat here"] * 2 + ["a dog here"] * 3),
        ("[cat:dog:2]", ["cat"] * 2 + ["dog"] * 3),
        ("[cat:dog:1.0]", ["cat"]),
        ("[cat:dog:1]", ["cat"] + ["dog"] * 4),
        ("[cat:dog:0]", ["dog"]),
        ("[cat:dog:-3]", ["dog"]),
        ("[dog:3]", [""] * 3 + ["dog"] * 2),
        ("[cat::2]", ["cat"] * 2 + [""] * 3),
        ("[cat: dog : 0.4 ]", ["cat"] * 2 + [" dog "] * 3),
        ("[a|b|c]", ["a", "b", "c", "a", "b"]),
        ("[|b]", ["", "b", "", "b", ""]),
        ("[a [b|c]:d:0.6]", ["a b", "a c", "a b", "d", "d"]),
        ("[a:[b:c:0.8]:0.4]", ["a", "a", "b", "b", "c"]),
        ("[(red:1.2):blue:0.5] [dim]", ["(red:1.2) [dim]"] * 2 + ["blue [dim]"] * 3),
        ("([a:b:0.5]:1.3)", ["(a:1.3)"] * 2 + ["(b:1.3)"] * 3),
        (r"[a\:b:c:2]", [r"a\:b"] * 2 + ["c"] * 3),
        ("[cat:dog:" + "9" * 400 + "]", ["cat"]),
    ],
)
def test_text_of_each_step(prompt: str, texts: list[str]) -> None:
    assert list(texts_by_step(prompt, STEPS)) == texts


@pytest.mark.parametrize(
    "prompt",
    [
        "a cat",
        "[cat]",
        "[cat:dog]",
        "[a:b:c:0.5]",
        "[a (b:c:2]",
        "(cat:1.3)",
        r"\[cat:dog:0.5\]",
        "[cat:dog:0.5",
        "] [:",
        "(a|b)",
        "16:9",
    ],
)
def test_other_prompts_stay_as_they_are(prompt: str) -> None:
    assert texts_by_step(prompt, STEPS) == (prompt,)


def test_prompts_joined_by_and_have_weights() -> None:
    assert split_parts("a cat AND a dog :1.2 AND fog:-0.5") == (
        Part("a cat "),
        Part(" a dog ", 1.2),
        Part(" fog", -0.5),
    )


def test_without_and_a_number_at_the_end_is_text() -> None:
    assert split_parts("a wide picture, 16:9") == (Part("a wide picture, 16:9"),)
    assert split_parts("sand and SAND") == (Part("sand and SAND"),)


@pytest.mark.parametrize("prompt", [" AND ".join("a" * (MAX_PARTS + 1)), "a AND b:1000"])
def test_too_many_parts_and_too_large_weights_are_refused(prompt: str) -> None:
    with pytest.raises(PromptError, match="at most"):
        split_parts(prompt)


@pytest.mark.parametrize("prompt", ["[" * (MAX_DEPTH + 1), "[a|b]" * (MAX_CHANGES + 1)])
def test_too_many_brackets_are_refused(prompt: str) -> None:
    with pytest.raises(PromptError, match="remove some"):
        texts_by_step(prompt, STEPS)


def test_too_much_text_is_refused() -> None:
    refuse_too_much_text(["a" * 20_000])
    with pytest.raises(PromptError, match="11 forms of up to 20000 characters"):
        refuse_too_much_text([f"{index:020000}" for index in range(11)])
