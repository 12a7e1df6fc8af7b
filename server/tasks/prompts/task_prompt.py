"""One prompt of a task while it is prepared, and why it may be refused."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.pipeline import MAX_TEXT, Part


@dataclass(slots=True)
class TaskPrompt:
    """A step of the preparation changes `text`, and perhaps the params of its part."""

    path: str
    """Its dotted path in the params of the task."""
    part: Part
    """The task or the node of a workflow that it belongs to."""
    original: str
    """As it was sent."""
    text: str
    """As it is now."""
    negative: bool
    """Whether it names what an image should not show."""
    limit: int = MAX_TEXT
    """The most characters that it may have."""
    masked: bool = False
    """Whether the audit has taken words out. `original` has them no more, so that they are stored nowhere."""


class PromptRefusedError(Exception):
    """A prompt names what does not exist, or cannot be chosen from. `field` is its dotted path in the params."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
