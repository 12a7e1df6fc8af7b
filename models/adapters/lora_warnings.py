"""What of a LoRA has no effect, in words for the result of a task."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

MOST_LISTED = 10
"""Names in a message; `hua models inspect` lists them all."""


def skipped_parts(
    name: str, skipped: Sequence[str], updates: Mapping[str, Collection[str]], modules: Mapping[str, Collection[str]]
) -> Iterator[str]:
    """One sentence for keys that are not understood, and one for modules that the model lacks.

    `updates` are the modules that the LoRA updates, by part; `modules` those of the model.
    """
    if skipped:
        yield f"LoRA {name!r}: keys that are not understood have no effect: {shorten(skipped)}"
    absent = [
        f"{part} {module}" for part, own in updates.items() for module in own if module not in modules.get(part, ())
    ]
    if absent:
        yield f"LoRA {name!r}: modules that the model lacks have no effect: {shorten(absent)}"


def shorten(names: Sequence[str]) -> str:
    """The first names, and how many others there are."""
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(names[:MOST_LISTED]) + more
