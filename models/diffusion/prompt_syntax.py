"""The prompt grammar of AUTOMATIC1111's web UI: weighted text, and its tokens in chunks of 75.

    (x)    attention × 1.1          [x]    attention ÷ 1.1
    (x:1.3) attention × 1.3         \\( \\) \\[ \\] \\\\  the characters themselves
    BREAK  begins a new chunk

Brackets nest, and their factors multiply. What is left open is closed at the end; what closes nothing is plain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

CHUNK = 75
"""Tokens of a prompt that CLIP sees at once: its 77 less the marks of start and end."""
BACKTRACK = 20
"""How far back from the end of a chunk a comma may lie for the words after it to move to the next chunk."""
STRONGER, WEAKER = 1.1, 1 / 1.1

_PIECE = re.compile(
    r"""
    \\[()\[\]\\]                                 # an escaped bracket or backslash
    | [(\[]
    | :\s*(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))\s*\)  # the weight that closes a round bracket
    | [)\]]
    | [^\\()\[\]:]+                              # plain text
    | [\\:]                                      # either, where it means nothing
    """,
    re.VERBOSE,
)
_BREAK = re.compile(r"\bBREAK\b")


@dataclass(frozen=True, slots=True)
class Weighted:
    """A stretch of text and the attention it gets. No text at all is a BREAK, whatever its weight."""

    text: str | None
    weight: float = 1.0


@dataclass(slots=True)
class Chunk:
    """At most 75 tokens and their weights."""

    tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def append(self, tokens: Sequence[int], weights: Sequence[float]) -> None:
        self.tokens.extend(tokens)
        self.weights.extend(weights)


def parse(prompt: str) -> list[Weighted]:
    """The stretches of a prompt, neighbours of one weight joined. Every text is a valid prompt."""
    texts: list[str | None] = []
    weights: list[float] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}

    def close(bracket: str, factor: float) -> None:
        start = opened[bracket].pop()
        weights[start:] = [weight * factor for weight in weights[start:]]

    for match in _PIECE.finditer(prompt):
        piece = match.group()
        if piece in opened:
            opened[piece].append(len(texts))
        elif match["weight"] is not None and opened["("]:
            close("(", float(match["weight"]))
        elif piece == ")" and opened["("]:
            close("(", STRONGER)
        elif piece == "]" and opened["["]:
            close("[", WEAKER)
        else:
            texts += _plain(piece)
            weights += [1.0] * (len(texts) - len(weights))
    for bracket, factor in (("(", STRONGER), ("[", WEAKER)):
        while opened[bracket]:
            close(bracket, factor)
    return _join(texts, weights)


def chunks(prompt: str, tokenize: Callable[[str], list[int]], comma: int) -> list[Chunk]:
    """The tokens of a prompt in chunks, at least one. `comma` is the token of a comma that ends a word."""
    done: list[Chunk] = []
    chunk, last_comma = Chunk(), -1
    for piece in parse(prompt):
        if piece.text is None:
            done.append(chunk)
            chunk, last_comma = Chunk(), -1
            continue
        for token in tokenize(piece.text):
            if len(chunk.tokens) == CHUNK:
                done.append(chunk)
                chunk, last_comma = Chunk() if token == comma else _carry_over(chunk, last_comma), -1
            if token == comma:
                last_comma = len(chunk.tokens)
            chunk.append([token], [piece.weight])
    return [*done, chunk] if chunk.tokens or not done else done


def _carry_over(full: Chunk, last_comma: int) -> Chunk:
    """Begins the chunk after a full one with the words after its last comma, if that is near enough to its end."""
    following = Chunk()
    start = last_comma + 1
    if last_comma >= 0 and CHUNK - last_comma <= BACKTRACK:
        following.append(full.tokens[start:], full.weights[start:])
        del full.tokens[start:], full.weights[start:]
    return following


def _plain(piece: str) -> list[str | None]:
    """The texts of a piece that is no bracket, None between them where BREAK stood."""
    if len(piece) == 2 and piece[0] == "\\":
        return [piece[1]]
    first, *rest = _BREAK.split(piece)
    return [first, *(text for part in rest for text in (None, part))]


def _join(texts: list[str | None], weights: list[float]) -> list[Weighted]:
    joined: list[Weighted] = []
    for text, weight in zip(texts, weights, strict=True):
        last = joined[-1] if joined else Weighted(None)
        if text is not None and last.text is not None and last.weight == weight:
            joined[-1] = Weighted(last.text + text, weight)
        elif text != "":
            joined.append(Weighted(text, weight))
    return joined or [Weighted("")]
