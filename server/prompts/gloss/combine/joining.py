"""Neighbours that are listed, or of which one says nothing."""

from __future__ import annotations

from server.prompts.gloss.phrase import Phrase, join


def same(left: Phrase, right: Phrase) -> Phrase:
    """The second word has no English of its own: 的, 着."""
    return left


def second(left: Phrase, right: Phrase) -> Phrase:
    return right


def conjunction(left: Phrase, right: Phrase) -> Phrase:
    """and | dog; the conjunction waits in `before`."""
    return Phrase(join(left.text, right.text), name=right.name)


def joined(left: Phrase, right: Phrase) -> Phrase:
    """cat | and dog."""
    return left.suffix(right.text)


def listed(left: Phrase, right: Phrase) -> Phrase:
    """red hair | blue eyes → red hair and blue eyes."""
    return left.suffix(join("and", right.text))


def degree(left: Phrase, right: Phrase) -> Phrase:
    """very | cute."""
    return right.prefix(left.text)
