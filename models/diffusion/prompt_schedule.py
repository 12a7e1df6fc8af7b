"""Prompts that change while an image is denoised, and prompts that act together, as AUTOMATIC1111's web UI writes them.

    [a:b:0.5]     a, and after half of the steps b         [a::8]   a, and after 8 steps nothing
    [a|b|c]       a, b and c in turn, one a step           [b:0.3]  nothing, and after 30 % of the steps b
    a AND b:1.2   both at once: the guidance of b counts 1.2 times

A number with a point is a fraction of the steps, one without a point counts steps. What is none of these is left to
`prompt_syntax`. A weight after a colon counts only where there is an AND, for a single prompt may end in "16:9".

Composition: Liu et al., "Compositional Visual Generation with Composable Diffusion Models", 2022, equation 11.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from models.diffusion.prompt_syntax import MAX_DEPTH, MAX_WEIGHT, PromptError

MAX_PARTS = 8
"""Prompts joined by AND; each is one more row in every step."""
MAX_CHANGES = 100
"""Brackets of a prompt that change with the steps."""
MAX_ENCODED = 100_000
"""Characters of the longest text of a prompt, times the number of its texts; all are encoded before the first step."""

_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r":\s*(?P<weight>[+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*$")
_NUMBER = re.compile(r"\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)\s*")
_PIECE = re.compile(r"\\.|[()\[\]:|]|[^\\()\[\]:|]+|\\", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """One of the prompts that act together."""

    text: str
    """With its schedule."""
    weight: float = 1.0
    """Factor of its guidance."""


@dataclass(frozen=True, slots=True)
class _Change:
    """`before` in the first steps, `after` in the others."""

    before: _Text
    after: _Text
    when: str
    """A fraction of the steps if it has a point, else a number of steps."""

    def text_at(self, step: int, steps: int) -> str:
        number = float(self.when) * (steps if "." in self.when else 1)
        first = int(min(max(number, 0), steps))
        return _text_at(self.before if step < first else self.after, step, steps)


@dataclass(frozen=True, slots=True)
class _Alternation:
    """One option a step, in turn."""

    options: tuple[_Text, ...]

    def text_at(self, step: int, steps: int) -> str:
        return _text_at(self.options[step % len(self.options)], step, steps)


_Text = tuple["str | _Change | _Alternation", ...]


@dataclass(slots=True)
class _Bracket:
    """A bracket that is open while a prompt is read."""

    opening: str
    """`(` or `[`; empty for the prompt itself."""
    pieces: list[str | _Change | _Alternation] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    """Indices of the pieces that are a colon or bar directly in this bracket."""

    @property
    def as_text(self) -> list[str | _Change | _Alternation]:
        """What it is if it has no meaning here, or is never closed."""
        return [self.opening, *self.pieces]


def split_parts(prompt: str) -> tuple[Part, ...]:
    """The prompts that AND joins; one if there is no AND. Raises PromptError beyond MAX_PARTS and MAX_WEIGHT."""
    texts = _AND.split(prompt)
    if len(texts) == 1:
        return (Part(prompt),)
    if len(texts) > MAX_PARTS:
        raise PromptError(f"{len(texts)} prompts are joined by AND; join at most {MAX_PARTS}")
    return tuple(map(_weighted_part, texts))


def texts_by_step(prompt: str, steps: int) -> tuple[str, ...]:
    """The text of each of `steps` steps; one text if it stays the same. Raises PromptError."""
    text = _read(prompt)
    if all(isinstance(piece, str) for piece in text):
        return (prompt,)
    texts = tuple(_text_at(text, step, steps) for step in range(steps))
    return texts if len(set(texts)) > 1 else texts[:1]


def refuse_too_much_text(texts: Collection[str]) -> None:
    """Raises PromptError if a prompt takes more forms than can be encoded at once."""
    longest = max(map(len, texts))
    if len(texts) > 1 and len(texts) * longest > MAX_ENCODED:
        raise PromptError(
            f"the prompt takes {len(texts)} forms of up to {longest} characters; shorten it, or let it change less "
            "often"
        )


def _weighted_part(text: str) -> Part:
    match = _WEIGHT.search(text)
    if match is None:
        return Part(text)
    weight = float(match["weight"])
    if abs(weight) > MAX_WEIGHT:
        raise PromptError(f"{match.group()!r} is too large for the weight of a prompt; give at most {MAX_WEIGHT:g}")
    return Part(text[: match.start()], weight)


def _read(prompt: str) -> _Text:
    """The pieces of a prompt. Raises PromptError for too many brackets."""
    stack, changes = [_Bracket("")], 0
    for piece in _PIECE.findall(prompt):
        opening = {")": "(", "]": "["}.get(piece)
        if piece in ("(", "["):
            if len(stack) > MAX_DEPTH:
                raise PromptError(f"more than {MAX_DEPTH} brackets are open at once; remove some or close them")
            stack.append(_Bracket(piece))
        elif opening and any(bracket.opening == opening for bracket in stack):
            while stack[-1].opening != opening:
                _end_as_text(stack)
            changes += _close(stack, piece)
            if changes > MAX_CHANGES:
                raise PromptError(f"more than {MAX_CHANGES} brackets change the prompt with the steps; remove some")
        else:
            if piece in (":", "|"):
                stack[-1].marks.append(len(stack[-1].pieces))
            stack[-1].pieces.append(piece)
    while len(stack) > 1:
        _end_as_text(stack)
    return _joined(stack[0].pieces)


def _end_as_text(stack: list[_Bracket]) -> None:
    bracket = stack.pop()
    stack[-1].pieces += bracket.as_text


def _close(stack: list[_Bracket], closing: str) -> bool:
    """Whether the innermost bracket, which ends here, changes with the steps."""
    bracket = stack.pop()
    meaning = _meaning(bracket) if closing == "]" else None
    stack[-1].pieces += [*bracket.as_text, closing] if meaning is None else [meaning]
    return meaning is not None


def _meaning(bracket: _Bracket) -> _Change | _Alternation | None:
    """What a square bracket says about steps; None if nothing."""
    bars = [index for index in bracket.marks if bracket.pieces[index] == "|"]
    if bars:
        return _Alternation(tuple(_between(bracket.pieces, bars)))
    *before, after, when = ((), *_between(bracket.pieces, bracket.marks))
    if not 1 <= len(before) <= 2 or len(when) != 1 or not isinstance(when[0], str) or not _NUMBER.fullmatch(when[0]):
        return None
    return _Change(before[-1], after, when[0].strip())


def _between(pieces: Sequence[str | _Change | _Alternation], marks: Sequence[int]) -> Iterator[_Text]:
    """What lies before, between and after the marks."""
    begins, ends = [0, *(index + 1 for index in marks)], [*marks, len(pieces)]
    for begin, end in zip(begins, ends, strict=True):
        yield _joined(pieces[begin:end])


def _joined(pieces: Sequence[str | _Change | _Alternation]) -> _Text:
    """The pieces, with neighbouring strings in one: the text of each step is put together from them."""
    result: list[str | _Change | _Alternation] = []
    for is_text, group in groupby(pieces, key=lambda piece: isinstance(piece, str)):
        neighbours = list(group)
        result += ["".join(map(str, neighbours))] if is_text else neighbours
    return tuple(result)


def _text_at(text: _Text, step: int, steps: int) -> str:
    return "".join(piece if isinstance(piece, str) else piece.text_at(step, steps) for piece in text)
