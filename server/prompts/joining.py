"""Puts a prompt together again from the pieces of its grammar and the translated words between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from server.prompts.grammar import Piece

_OPEN = frozenset("([{<|:\"'$ \t\n\r")
"""After these, translated words need no space."""
_CLOSE = frozenset(")]}>|:,;!?\"' \t\n\r")
"""Before these, translated words need no space."""
_AROUND = 3
"""Characters that a translation may add besides its own: spaces around it, and one after a comma."""


def fitting(pieces: Sequence[Piece], translated: Mapping[str, str], limit: int) -> tuple[list[str | None], int]:
    """The translation of each piece, None for those that stay; and how many clauses are left out.

    They are left out from the end, so that the whole prompt has at most `limit` characters.
    """
    found = [translated.get(piece.text.strip()) if piece.foreign else None for piece in pieces]
    room = limit - sum(len(piece.text) for piece, words in zip(pieces, found, strict=True) if words is None)
    left_out = 0
    for index, words in enumerate(found):
        if words:
            room -= len(words) + _AROUND
            if room < 0:
                found[index] = ""
                left_out += 1
    return found, left_out


def join(pieces: Sequence[Piece], words: Sequence[str | None]) -> str:
    """The prompt with the translation of each piece in its place.

    Pieces that are not beside translated words stay byte for byte.
    """
    text = _Text()
    for index, (piece, new) in enumerate(zip(pieces, words, strict=True)):
        if new is not None:
            text.add_words(new, piece.text)
        elif piece.text == "," and (text.follows_words or words[index + 1 : index + 2] not in ([], [None])):
            text.add_comma()
        else:
            text.add(piece.text)
    return text.whole


class _Text:
    """A prompt that grows at its end."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._last = ""
        """The last character."""
        self._owes_space = False
        """Whether a space belongs here, unless nothing follows that needs it."""
        self.follows_words = False
        """Whether it ends with translated words."""

    @property
    def whole(self) -> str:
        return "".join(self._parts)

    def add(self, piece: str) -> None:
        """A piece as it is, apart from translated words that it would run into."""
        if self._owes_space or (self.follows_words and piece[:2] not in (r"\)", r"\]")):
            if self._owes_space and not (piece := piece.lstrip(" \t")):
                return
            if piece[0] not in _CLOSE and self._last not in _OPEN:
                piece = f" {piece}"
        self._append(piece)

    def add_words(self, words: str, source: str) -> None:
        """The translation of `source`, which may begin and end with spaces."""
        spaced = self._owes_space or source[0].isspace() or self._last not in (*_OPEN, ",")
        if words:
            self._append(f" {words}" if spaced and self._last and not self._last.isspace() else words)
        self._owes_space, self.follows_words = source[-1].isspace(), True

    def add_comma(self) -> None:
        """A comma, unless the words before it were left out."""
        if self._last not in ("", ","):
            self._append(",")
        self._owes_space, self.follows_words = bool(self._last), False

    def _append(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._last = text[-1]
        self._owes_space, self.follows_words = False, False
