"""Parameters that stand at the end of a prompt, as `--ar 3:2 --no fog`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipelines.params.limits import SEEDS
from server.tasks.submission import InvalidParamsError

MAX_STYLIZE, USUAL_STYLIZE = 1000, 100
LEAST_GUIDANCE, USUAL_GUIDANCE, MOST_GUIDANCE = 4.0, 7.5, 12.0
_START = re.compile(r"(?:^|\s)(?:--|—|–)(?=[a-z])")
"""Some keyboards make one dash of two."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt without its parameters. Those that mean nothing here, such as `--v 6`, are dropped."""

    text: str
    negative: str = ""
    ratio: str = ""
    """Width to height; empty: the default."""
    seed: int = -1
    """-1: random."""
    stylize: int = USUAL_STYLIZE
    """0 to 1000: how freely the prompt is read."""
    tile: bool = False

    @property
    def guidance_scale(self) -> float:
        """More freedom is less guidance."""
        if self.stylize <= USUAL_STYLIZE:
            return MOST_GUIDANCE + (USUAL_GUIDANCE - MOST_GUIDANCE) * self.stylize / USUAL_STYLIZE
        share = (self.stylize - USUAL_STYLIZE) / (MAX_STYLIZE - USUAL_STYLIZE)
        return round(USUAL_GUIDANCE + (LEAST_GUIDANCE - USUAL_GUIDANCE) * share, 2)


def read_prompt(prompt: str) -> Prompt:
    """Raises InvalidParamsError."""
    text, *parameters = _START.split(prompt)
    values: dict[str, str] = {}
    for parameter in parameters:
        name, _, value = parameter.strip().partition(" ")
        values[name] = value.strip()
    if not text.strip():
        raise InvalidParamsError("prompt has no words before its parameters; say what to draw", "prompt")
    return Prompt(
        text=text.strip(),
        negative=values.get("no", ""),
        ratio=values.get("ar", values.get("aspect", "")),
        seed=_number(values, "seed", -1, SEEDS - 1),
        stylize=_number(values, "s", _number(values, "stylize", USUAL_STYLIZE, MAX_STYLIZE), MAX_STYLIZE),
        tile="tile" in values,
    )


def _number(values: dict[str, str], name: str, default: int, most: int) -> int:
    if name not in values:
        return default
    text = values[name]
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and int(text) <= most):
        raise InvalidParamsError(f"prompt: --{name} takes a whole number from 0 to {most}", "prompt")
    return int(text)
