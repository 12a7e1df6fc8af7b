"""Parameters at the end of a prompt."""

from __future__ import annotations

import pytest

from server.api.dialects.chuzhan.midjourney.prompt import Prompt, read_prompt
from server.tasks.submission import InvalidParamsError


@pytest.mark.parametrize(
    ("sent", "prompt"),
    [
        ("one boy", Prompt("one boy")),
        ("a-b -- c", Prompt("a-b -- c")),
        ("one boy --ar 3:2 --v 6.0", Prompt("one boy", ratio="3:2")),
        ("海 —aspect 16:9 --no fog, rain --tile", Prompt("海", negative="fog, rain", ratio="16:9", tile=True)),
        ("x --seed 7 --s 250 --q 2", Prompt("x", seed=7, stylize=250)),
        ("x --stylize 0", Prompt("x", stylize=0)),
    ],
)
def test_parameters_are_read(sent: str, prompt: Prompt) -> None:
    assert read_prompt(sent) == prompt


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ("--ar 3:2", "has no words"),
        ("x --seed", "--seed takes a whole number from 0 to 4294967295"),
        ("x --seed -5", "--seed takes"),
        ("x --s 1001", "--s takes a whole number from 0 to 1000"),
        ("x --seed ４", "--seed takes"),
    ],
)
def test_wrong_parameters_are_refused(sent: str, message: str) -> None:
    with pytest.raises(InvalidParamsError, match=message):
        read_prompt(sent)


def test_more_freedom_is_less_guidance() -> None:
    scales = [Prompt("x", stylize=stylize).guidance_scale for stylize in (0, 100, 500, 1000)]
    assert scales == sorted(scales, reverse=True)
    assert (scales[0], scales[1], scales[-1]) == (12, 7.5, 4)
