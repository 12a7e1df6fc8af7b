"""Dynamic prompts: what may be chosen, how often, and what stays as it is."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.prompts.dynamic_prompts import MAX_DEPTH, DynamicPromptError, choose, may_vary

LINES = {"animals": ["cat", "dog", "owl"], "pairs": ["{a|b} __animals__"], "loop": ["__loop__ __loop__"]}


def read(name: str) -> list[str]:
    if name not in LINES:
        raise DynamicPromptError(name)
    return LINES[name]


def results(prompt: str) -> Counter[str]:
    return Counter(choose(prompt, seed, read) for seed in range(300))


@pytest.mark.parametrize(
    ("prompt", "possible"),
    [
        ("{red|blue} house", {"red house", "blue house"}),
        ("{red|}house", {"redhouse", "house"}),
        ("a {b {c|d}|e}", {"a b c", "a b d", "a e"}),
        ("{2$$a|b}", {"a, b", "b, a"}),
        ("{2$$ and $$a|b}", {"a and b", "b and a"}),
        ("{5$$a|b}", {"a, b", "b, a"}),
        ("{1-2$$a|b}", {"a", "b", "a, b", "b, a"}),
        ("{-2$$$$a|b}", {"", "a", "b", "ab", "ba"}),
        ("{0$$a|b}x", {"x"}),
        ("__animals__!", {"cat!", "dog!", "owl!"}),
        ("{2$$__animals__}", {"cat, dog", "dog, cat", "cat, owl", "owl, cat", "dog, owl", "owl, dog"}),
        ("__pairs__", {f"{one} {two}" for one in "ab" for two in LINES["animals"]}),
        ("({red|blue}:1.3) <lora:{x|y}:0.5>", {f"({a}:1.3) <lora:{b}:0.5>" for a in ("red", "blue") for b in "xy"}),
        (r"\{a\|b\} {c|d}", {r"\{a\|b\} c", r"\{a\|b\} d"}),
        ("{a} {} }{ {", {"{a} {} }{ {"}),
        ("[a|b] a_b __ _ ____ __!__", {"[a|b] a_b __ _ ____ __!__"}),
        ("{红色|蓝色}的房子", {"红色的房子", "蓝色的房子"}),
    ],
)
def test_every_variant_is_drawn_and_nothing_else(prompt: str, possible: set[str]) -> None:
    assert set(results(prompt)) == possible


def test_weights_say_how_often() -> None:
    counted = results("{9::red|1::blue}")
    assert set(counted) == {"red", "blue"}
    assert counted["red"] > 5 * counted["blue"]
    assert set(results("{0::red|1::blue}")) == {"blue"}


def test_the_same_seed_chooses_the_same() -> None:
    prompt = "{a|b|c} {d|e|f} __animals__ {2$$g|h|i}"
    assert choose(prompt, 7, read) == choose(prompt, 7, read)
    # A repeated task must paint the same words in every release.
    assert choose(prompt, 7, read) == "a d dog h, g"


def test_wildcards_stay_if_there_are_none() -> None:
    assert choose("__animals__ {2$$__animals__}", 1) == "__animals__ __animals__"


@pytest.mark.parametrize(
    "prompt",
    ["__unknown__", "__loop__", "{a|" * (MAX_DEPTH + 1) + "}" * (MAX_DEPTH + 1), "{|" * 9_000 + "}" * 9_000],
)
def test_what_cannot_be_chosen_is_refused(prompt: str) -> None:
    with pytest.raises(DynamicPromptError):
        choose(prompt, 1, read)


@given(st.text(alphabet="ab{}|$_:\\1-2 ", max_size=60), st.integers(0, 2**32))
def test_any_text_is_chosen_or_refused(prompt: str, seed: int) -> None:
    try:
        chosen = choose(prompt, seed)
    except DynamicPromptError:
        return
    assert chosen == prompt or may_vary(prompt) or "\\" in prompt


@given(st.text(alphabet="ab{}|$_:\\1-2 ", max_size=60), st.integers(0, 2**32))
def test_a_chosen_text_is_not_chosen_from_again(prompt: str, seed: int) -> None:
    """A task that is sent again with the params of its answer paints the same words."""
    try:
        chosen = choose(prompt, seed)
    except DynamicPromptError:
        return
    assert choose(chosen, seed + 1) == chosen


def test_long_runs_are_read_once() -> None:
    """A search that tries each blank of a run again takes minutes for this."""
    assert choose(f"{{{' ' * 200_000}a|b}}", 1).strip() in ("a", "b")


def test_a_wildcard_is_read_once_for_a_prompt() -> None:
    names = []

    def read_and_count(name: str) -> list[str]:
        names.append(name)
        return ["cat"]

    assert choose("__a__ __a__ {__a__|__a__}", 1, read_and_count) == "cat cat cat"
    assert names == ["a"]
