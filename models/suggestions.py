"""Suggestions for misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

MAX_LENGTH = 200
"""A longer name, in characters, is not misspelt; comparing takes long."""


def did_you_mean(
    name: str, known: Iterable[str], *, cutoff: float = 0.6, labels: Mapping[str, str] | None = None
) -> str | None:
    """`did you mean NAME?` with the known name most like `name`; None if none is like it.

    `cutoff` is the least similarity, 0 to 1, as difflib measures it. `labels` are the names to show for known ones.
    """
    if len(name) > MAX_LENGTH:
        return None
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    if not close:
        return None
    return f"did you mean {labels[close[0]] if labels else close[0]}?"
