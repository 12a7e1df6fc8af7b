"""Parameters that are prompts: words for a model, wherever they are in the parameters of a task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, TypeVar

from annotated_types import MaxLen
from pydantic import BaseModel

from pipelines.pipeline import MAX_TEXT

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class PromptMark:
    """Marks a parameter as a prompt. It is metadata of the field, so that its type and schema stay those of a text."""

    negative: bool = False
    """Whether it names what an image should not show."""


Prompt = Annotated[str, PromptMark()]
NegativePrompt = Annotated[str, PromptMark(negative=True)]
OptionalPrompt = Annotated[str | None, PromptMark()]
OptionalNegativePrompt = Annotated[str | None, PromptMark(negative=True)]


@dataclass(frozen=True, slots=True)
class PromptText:
    """One prompt of a task."""

    text: str
    negative: bool
    """Whether it names what an image should not show."""
    limit: int
    """The most characters that it may have."""


def prompts_of(params: BaseModel) -> dict[str, PromptText]:
    """All prompts, by dotted path: `text`, `highres_info.text`. Those that are empty or null are left out."""
    return dict(_walk(params, ""))


def with_prompts(params: M, texts: Mapping[str, str]) -> M:
    """A copy of `params` with other texts for the prompts at these dotted paths. The copy is not validated."""
    changes: dict[str, object] = {}
    for name, mark in _marks(type(params)).items():
        if mark is not None and name in texts:
            changes[name] = texts[name]
        elif mark is None and isinstance(child := getattr(params, name), BaseModel):
            begin = f"{name}."
            inner = {path.removeprefix(begin): text for path, text in texts.items() if path.startswith(begin)}
            changes |= {name: with_prompts(child, inner)} if inner else {}
    return params.model_copy(update=changes) if changes else params


def _walk(params: BaseModel, prefix: str) -> Iterator[tuple[str, PromptText]]:
    for name, mark in _marks(type(params)).items():
        value = getattr(params, name)
        if mark is None and isinstance(value, BaseModel):
            yield from _walk(value, f"{prefix}{name}.")
        elif mark is not None and value:
            yield prefix + name, PromptText(value, mark.negative, _limit(type(params), name))


@cache
def _limit(model: type[BaseModel], name: str) -> int:
    limits = (each.max_length for each in model.model_fields[name].metadata if isinstance(each, MaxLen))
    return min(limits, default=MAX_TEXT)


@cache
def _marks(model: type[BaseModel]) -> Mapping[str, PromptMark | None]:
    """The mark of each field; None if it is no prompt."""
    return {
        name: next((each for each in field.metadata if isinstance(each, PromptMark)), None)
        for name, field in model.model_fields.items()
    }
