"""Adverbs and comparatives of English adjectives."""

from __future__ import annotations

from functools import cache

from server.prompts.gloss.english.verbs import doubles


@cache
def adverb(adjective: str) -> str:
    """happily."""
    if " " in adjective or adjective.endswith("ly"):
        return adjective
    if adjective.endswith("y") and len(adjective) > 4:
        return adjective[:-1] + "ily"
    if adjective.endswith("le"):
        return adjective[:-1] + "y"
    return adjective + ("ally" if adjective.endswith("ic") else "ly")


def comparative(adjective: str) -> str:
    """bigger, more beautiful."""
    if len(adjective) > 6 or " " in adjective:
        return f"more {adjective}"
    if adjective.endswith("y"):
        return adjective[:-1] + "ier"
    if adjective.endswith("e"):
        return adjective + "r"
    return adjective + (adjective[-1] if doubles(adjective) else "") + "er"
