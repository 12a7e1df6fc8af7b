"""The prompt grammar of AUTOMATIC1111's web UI: weighted text, and its tokens in chunks of 75.

    (x)    attention × 1.1          [x]    attention ÷ 1.1
    (x:1.3) attention × 1.3         \\( \\] \\{ \\| \\\\  the characters themselves
    BREAK  begins a new chunk

Brackets nest, and their factors multiply. An open bracket is closed at the end; one that closes nothing is plain text.
Unlike there, weights and depth have limits: larger weights overflow in half precision, and the image is black.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

CHUNK = 75
"""Tokens of a prompt in one run of CLIP: its 77 without the start and end tokens."""
BACKTRACK = 20
"""The words after a comma move to the next chunk if the comma is at most this many tokens before the chunk's end."""
STRONGER, WEAKER = 1.1, 1 / 1.1
MAX_WEIGHT = 100.0
"""A weight beyond ± this is refused as a mistake."""
MAX_DEPTH = 100
"""Brackets of one kind inside each other; each costs time for all the text in it."""

_PIECE = re.compile(
    r"""
    \\[()\[\]{}|\\]                              # an escaped bracket, bar or backslash
    | [(\[]
    | :\s*(?P<weight>[+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*\)  # the weight that closes a round bracket
    | [)\]]
    | [^\\()\[\]:]+                              # plain text
    | [\\:]                                      # a backslash or colon without a meaning
    """,
    re.VERBOSE,
)
_BREAK = re.compile(r"\bBREAK\b")


class PromptError(ValueError):
    """A weight of a prompt is too large, or its brackets nest too deeply; the message says where."""

    code = "bad_input"


@dataclass(frozen=True, slots=True)
class WeightedText:
    """A piece of text with one weight."""

    text: str | None
    """None: a BREAK, whose weight has no meaning."""
    weight: float = 1.0
    """Factor of the text's attention."""


@dataclass(slots=True)
class Chunk:
    """At most 75 tokens and their weights."""

    tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def append(self, tokens: Sequence[int], weights: Sequence[float]) -> None:
        self.tokens.extend(tokens)
        self.weights.extend(weights)


def parse(prompt: str) -> list[WeightedText]:
    """The pieces of a prompt; neighbours of equal weight are joined. Raises PromptError beyond the limits."""
    texts: list[str | None] = []
    weights: list[float] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}

    def close(bracket: str, factor: float) -> None:
        start = opened[bracket].pop()
        weights[start:] = [weight * factor for weight in weights[start:]]

    for match in _PIECE.finditer(prompt):
        piece = match.group()
        if piece in opened:
            if len(opened[piece]) == MAX_DEPTH:
                raise PromptError(
                    f"more than {MAX_DEPTH} brackets {piece!r} are open at once; remove some or close them"
                )
            opened[piece].append(len(texts))
        elif match["weight"] is not None and opened["("]:
            close("(", float(match["weight"]))
        elif piece == ")" and opened["("]:
            close("(", STRONGER)
        elif piece == "]" and opened["["]:
            close("[", WEAKER)
        else:
            texts += _unescaped(piece)
            weights += [1.0] * (len(texts) - len(weights))
    for bracket, factor in (("(", STRONGER), ("[", WEAKER)):
        while opened[bracket]:
            close(bracket, factor)
    _check_weights(texts, weights)
    return _join(texts, weights)


def chunks(prompt: str, tokenize: Callable[[str], list[list[int]]], comma: int) -> list[Chunk]:
    """The tokens of a prompt in chunks, at least one. `comma` is the token of a comma that ends a word.

    `tokenize` returns groups of tokens that stay in one chunk: single tokens, and the vectors of an embedding.
    """
    full_chunks: list[Chunk] = []
    chunk, last_comma = Chunk(), -1
    for piece in parse(prompt):
        if piece.text is None:
            full_chunks.append(chunk)
            chunk, last_comma = Chunk(), -1
            continue
        for group in tokenize(piece.text):
            if len(chunk.tokens) == CHUNK:
                full_chunks.append(chunk)
                chunk, last_comma = Chunk() if group == [comma] else _carry_over(chunk, last_comma), -1
            if len(chunk.tokens) + len(group) > CHUNK:
                full_chunks.append(chunk)
                chunk, last_comma = Chunk(), -1
            if group == [comma]:
                last_comma = len(chunk.tokens)
            chunk.append(group, [piece.weight] * len(group))
    return [*full_chunks, chunk] if chunk.tokens or not full_chunks else full_chunks


def _carry_over(full: Chunk, last_comma: int) -> Chunk:
    """The next chunk, which begins with the words after the last comma of a full one, if that is close to its end."""
    following = Chunk()
    start = last_comma + 1
    if last_comma >= 0 and CHUNK - last_comma <= BACKTRACK:
        following.append(full.tokens[start:], full.weights[start:])
        del full.tokens[start:], full.weights[start:]
    return following


def _unescaped(piece: str) -> list[str | None]:
    """The texts of a piece that is no bracket, with None for each BREAK."""
    if len(piece) == 2 and piece[0] == "\\":
        return [piece[1]]
    first, *rest = _BREAK.split(piece)
    return [first, *(text for part in rest for text in (None, part))]


def _check_weights(texts: Sequence[str | None], weights: Sequence[float]) -> None:
    for text, weight in zip(texts, weights, strict=True):
        if text and not abs(weight) <= MAX_WEIGHT:
            raise PromptError(
                f"{text.strip()[:40]!r} has the weight {weight:g}; weights may be from {-MAX_WEIGHT:g} to "
                f"{MAX_WEIGHT:g}: lower it, or remove brackets, whose factors multiply"
            )


def _join(texts: list[str | None], weights: list[float]) -> list[WeightedText]:
    joined: list[WeightedText] = []
    for text, weight in zip(texts, weights, strict=True):
        last = joined[-1] if joined else WeightedText(None)
        if text is not None and last.text is not None and last.weight == weight:
            joined[-1] = WeightedText(last.text + text, weight)
        elif text != "":
            joined.append(WeightedText(text, weight))
    return joined or [WeightedText("")]
