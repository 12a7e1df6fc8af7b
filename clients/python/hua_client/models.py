"""A model of the server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    """What a task calls it."""
    title: str
    kind: str
    """checkpoint, LoRA, upscaler…"""
    family: str
    aliases: tuple[str, ...]
    base: str | None
    """The family of checkpoints that an adapter is for."""
    default: bool
    """Whether tasks that name no model use it."""
    trigger_words: tuple[str, ...]
    problem: str
    """Why it cannot be used, and what to do; empty if it can."""
    raw: dict[str, Any] = field(repr=False)
    """The server's JSON."""


def read_model(raw: dict[str, Any]) -> Model:
    return Model(
        name=raw["name"],
        title=raw.get("title", ""),
        kind=raw.get("kind", ""),
        family=raw.get("family", ""),
        aliases=tuple(raw.get("aliases", ())),
        base=raw.get("for"),
        default=raw.get("default", False),
        trigger_words=tuple(raw.get("trigger_words", ())),
        problem=raw.get("problem", ""),
        raw=raw,
    )
