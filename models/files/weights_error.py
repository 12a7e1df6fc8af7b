"""The error for every fault of a model's files."""

from __future__ import annotations


class WeightsError(Exception):
    """Files of a model are missing, damaged or do not fit; the message says which file and what to do."""

    code = "bad_model"


def one_line(error: Exception, most: int = 200) -> str:
    """The text of a library's error on one line of at most `most` characters, to be quoted in parentheses."""
    text = " ".join(str(error).split())
    return text if len(text) <= most else f"{text[:most]}…"
