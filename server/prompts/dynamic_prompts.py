"""Dynamic prompts: one text chosen at random among the variants that a prompt offers, the same for the same seed.

    {red|blue} house          one of them                  {2$$a|b|c}         two different ones: "b, a"
    {3::red|1::blue}          red three times as often     {1-2$$ and $$a|b}  one or two, joined by " and "
    __animals__               a line of animals.txt        {2$$__animals__}   two different lines of it
    __season/*__              a line of any file there     \\{ \\| \\}           the characters themselves

Escapes stay in the chosen text, where the grammar of prompts reads them: chosen from again, the text is the same.
Variants nest. Braces without `|` or `$$` are plain text. The syntax is that of the extension Dynamic Prompts of
AUTOMATIC1111's web UI.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from models.suggestions import did_you_mean

MAX_DEPTH = 20
"""Variants and wildcards inside each other."""
MAX_CHOICES = 1000
"""Choices of one prompt. Wildcards that name each other could go on for ever."""

ReadWildcard = Callable[[str], Sequence[str]]
"""The lines of a wildcard by its name. Raises DynamicPromptError if there is none."""

WILDCARD = r"__[^\W_](?:[\w\-./* ]{0,100}?[\w\-.*])??__"
"""The pattern of `__animals__`."""
_PIECE = re.compile(rf"\\[{{|}}]|[{{|}}]|{WILDCARD}|[^\\{{|}}_]+|.", re.DOTALL)
_COUNT = re.compile(r"\s*+(?P<least>\d{1,3})?(?P<range>\s*-\s*)?(?P<most>\d{1,3})?\s*\$\$(?:(?P<joint>[^{}|$]*)\$\$)?")
_WEIGHT = re.compile(r"\s*(?P<weight>\d{1,6}(?:\.\d{1,6})?|\.\d{1,6})::")


class DynamicPromptError(ValueError):
    """A wildcard is unknown, or the variants are too deep or too many; the message says what to change."""


@dataclass(frozen=True, slots=True)
class _Variants:
    """A choice: `least` to `most` of the options, joined."""

    options: tuple[_Option, ...]
    least: int = 1
    most: int = 1
    joint: str = ", "


@dataclass(frozen=True, slots=True)
class _Wildcard:
    name: str


@dataclass(frozen=True, slots=True)
class _Option:
    pieces: tuple[str | _Variants | _Wildcard, ...]
    weight: float = 1.0


def may_vary(prompt: str) -> bool:
    """Whether `choose` could change the prompt. Cheap, for most prompts offer no choice."""
    return "{" in prompt or "__" in prompt


def choose(prompt: str, seed: int, read_wildcard: ReadWildcard | None = None) -> str:
    """The prompt with one choice made at each place, by the seed.

    Without `read_wildcard` names between double underscores stay as they are. Raises DynamicPromptError.
    """
    return _Chooser(Random(seed), read_wildcard).text_of(_parse(prompt), 0)


def unknown_wildcard(name: str, known: Sequence[str]) -> DynamicPromptError:
    """The error for a name that no file has."""
    advice = did_you_mean(name, known) or "the operator keeps them in HUA_WILDCARDS_DIR"
    return DynamicPromptError(f"there is no wildcard __{name}__; {advice}")


def _too_deep() -> DynamicPromptError:
    return DynamicPromptError(f"variants are nested more than {MAX_DEPTH} deep; use fewer braces or wildcards")


class _Chooser:
    def __init__(self, random: Random, read_wildcard: ReadWildcard | None) -> None:
        self._random = random
        self._read = read_wildcard
        self._choices = 0
        self._lines_by_name: dict[str, tuple[_Option, ...]] = {}
        """A prompt may name one wildcard hundreds of times, and its file may have a hundred thousand lines."""

    def text_of(self, option: _Option, depth: int) -> str:
        return "".join(piece if isinstance(piece, str) else self._chosen(piece, depth) for piece in option.pieces)

    def _chosen(self, piece: _Variants | _Wildcard, depth: int) -> str:
        if isinstance(piece, _Wildcard):
            if self._read is None:
                return f"__{piece.name}__"
            piece = _Variants(self._lines(piece.name))
        if depth >= MAX_DEPTH:
            raise _too_deep()
        chosen = self._draw(self._options(piece), piece)
        texts = [self.text_of(option, depth + 1) for option in chosen]
        return piece.joint.join(texts)

    def _options(self, variants: _Variants) -> tuple[_Option, ...]:
        """The options. A wildcard alone offers its lines, so that several different ones can be drawn."""
        if len(variants.options) == 1 and self._read is not None:
            pieces = [piece for piece in variants.options[0].pieces if not isinstance(piece, str) or piece.strip()]
            if len(pieces) == 1 and isinstance(pieces[0], _Wildcard):
                return self._lines(pieces[0].name)
        return variants.options

    def _lines(self, name: str) -> tuple[_Option, ...]:
        if self._read is None:
            return ()
        if name not in self._lines_by_name:
            self._lines_by_name[name] = tuple(_weighted(_parse(line)) for line in self._read(name))
        return self._lines_by_name[name]

    def _draw(self, options: tuple[_Option, ...], variants: _Variants) -> Iterator[_Option]:
        most = min(variants.most, len(options))
        least = min(variants.least, most)
        left, equal = list(options), all(option.weight == 1 for option in options)
        for _ in range(least + int(self._random.random() * (most - least + 1))):
            self._choices += 1
            if self._choices > MAX_CHOICES:
                raise DynamicPromptError(
                    f"the prompt needs more than {MAX_CHOICES} choices; use fewer braces, or wildcards that do not "
                    "name each other"
                )
            yield left.pop(int(self._random.random() * len(left)) if equal else self._index(left))

    def _index(self, options: Sequence[_Option]) -> int:
        point = self._random.random() * sum(option.weight for option in options)
        for index, option in enumerate(options):
            point -= option.weight
            if point < 0:
                return index
        return len(options) - 1


def _parse(prompt: str) -> _Option:
    pieces = [match.group() for match in _PIECE.finditer(prompt)]
    return _Parser(pieces).option()


class _Parser:
    """Reads the pieces of a prompt from the first to the last."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self._pieces = pieces
        self._next = 0
        self._depth = 0
        self._closings = _closings(pieces)

    def option(self, end: int | None = None) -> _Option:
        """Everything up to the piece `end`."""
        end = len(self._pieces) if end is None else end
        found: list[str | _Variants | _Wildcard] = []
        while self._next < end:
            piece = self._pieces[self._next]
            closing = self._closings.get(self._next)
            self._next += 1
            if closing is not None:
                found.append(self._variants(closing))
            elif re.fullmatch(WILDCARD, piece):
                found.append(_Wildcard(piece.strip("_")))
            else:
                found.append(piece)
        return _Option(_joined(found))

    def _variants(self, closing: int) -> _Variants:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _too_deep()
        options = []
        for end in (*self._bars(closing), closing):
            options.append(self.option(end))
            self._next = end + 1
        self._depth -= 1
        first, (least, most, joint) = _without_count(options[0])
        return _Variants((_weighted(first), *map(_weighted, options[1:])), least, most, joint)

    def _bars(self, closing: int) -> list[int]:
        """The pieces that part the options up to `closing`, without those of inner variants."""
        bars: list[int] = []
        index = self._next
        while index < closing:
            inner = self._closings.get(index)
            if self._pieces[index] == "|":
                bars.append(index)
            index = inner + 1 if inner is not None else index + 1
        return bars


def _closings(pieces: Sequence[str]) -> dict[int, int]:
    """The closing brace of each opening one that offers a choice."""
    open_braces: list[tuple[int, bool]] = []
    closings: dict[int, int] = {}
    for index, piece in enumerate(pieces):
        if piece == "{":
            open_braces.append((index, False))
        elif piece == "}" and open_braces:
            start, offers = open_braces.pop()
            if offers:
                closings[start] = index
        elif open_braces and (piece == "|" or "$$" in piece):
            open_braces[-1] = (open_braces[-1][0], True)
    return closings


def _joined(pieces: Sequence[str | _Variants | _Wildcard]) -> tuple[str | _Variants | _Wildcard, ...]:
    """Neighbouring texts as one, so that a count or a weight is never cut in two."""
    joined: list[str | _Variants | _Wildcard] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        else:
            joined.append(piece)
    return tuple(joined)


def _without_count(option: _Option) -> tuple[_Option, tuple[int, int, str]]:
    """The first option without its count `2$$`, and the count: the least, the most, and what joins the options."""
    head = option.pieces[0] if option.pieces else ""
    match = _COUNT.match(head) if isinstance(head, str) else None
    if match is None or not isinstance(head, str):
        return option, (1, 1, ", ")
    least, most = int(match["least"] or 0), int(match["most"] or 0)
    if not match["range"]:
        digits = f"{match['least'] or ''}{match['most'] or ''}"
        least = most = int(digits or 1)
    elif not match["most"]:
        most = MAX_CHOICES
    joint = ", " if match["joint"] is None else match["joint"]
    return _Option((head[match.end() :], *option.pieces[1:])), (min(least, most), max(least, most), joint)


def _weighted(option: _Option) -> _Option:
    """The option without its weight `3::`, which is kept as a number."""
    head = option.pieces[0] if option.pieces else ""
    match = _WEIGHT.match(head) if isinstance(head, str) else None
    if match is None or not isinstance(head, str):
        return option
    return _Option((head[match.end() :], *option.pieces[1:]), float(match["weight"]))
