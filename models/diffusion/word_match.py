"""Finding words that stand for something else in a prompt, whatever their case."""

from __future__ import annotations

import re
from collections.abc import Iterable


def any_of(words: Iterable[str]) -> re.Pattern[str]:
    """Matches each of these words where it stands for itself: "cat" not in "concatenate", "<cat>" everywhere.

    Of words that begin alike the longest is matched.
    """
    return re.compile("|".join(map(_alone, sorted(words, key=len, reverse=True))) or r"(?!)", re.IGNORECASE)


def _alone(word: str) -> str:
    before = r"(?<![\w-])" if re.match(r"\w", word) else ""
    after = r"(?![\w-])" if re.match(r"\w", word[-1:]) else ""
    return before + re.escape(word) + after
