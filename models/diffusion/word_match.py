"""Finds words in a prompt that have a meaning of their own, such as names of embeddings, in any case."""

from __future__ import annotations

import re
from collections.abc import Iterable


def any_of(words: Iterable[str]) -> re.Pattern[str]:
    """Matches each of these words as a whole word: "cat" not in "concatenate", but "<cat>" everywhere.

    Of words that begin alike the longest is matched.
    """
    return re.compile("|".join(map(_whole_word, sorted(words, key=len, reverse=True))) or r"(?!)", re.IGNORECASE)


def _whole_word(word: str) -> str:
    before = r"(?<![\w-])" if re.match(r"\w", word) else ""
    after = r"(?![\w-])" if re.match(r"\w", word[-1:]) else ""
    return before + re.escape(word) + after
