"""The table `styles:` of `models.yaml`: what a client of another API may name by an id instead of a model and words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from models.catalog.entry import CatalogError
from models.pydantic_errors import field_path, message_of

PROMPT = "{prompt}"
_PROMPT_ALONE = re.compile(r",\s*\{prompt\}|\{prompt\},\s*|\{prompt\}")
Id = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)]
"""YAML reads an id of digits as a number."""


class Style(BaseModel):
    """One style. Each field may be left out but the id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Id = Field(min_length=1, max_length=128)
    title: str = ""
    """Its name for people; some clients send it instead of the id."""
    model: str = ""
    """A name or alias of a checkpoint; empty: the default one."""
    loras: dict[str, float] = {}
    """Scales of LoRAs by name."""
    prompt: str = PROMPT
    """A template of the prompt, in which `{prompt}` stands for the client's own. Without it, it is added at the end."""
    negative_prompt: str = ""
    """Added to the client's own negative prompt."""
    params: dict[str, Any] = {}
    """Params of the task, such as `num_steps`, for what the client does not set itself."""

    def full_prompt(self, prompt: str) -> str:
        """The client's prompt in the template of this style."""
        if not prompt:
            return _PROMPT_ALONE.sub("", self.prompt).strip()
        if PROMPT in self.prompt:
            return self.prompt.replace(PROMPT, prompt)
        return ", ".join(filter(None, (prompt, self.prompt)))

    def full_negative_prompt(self, negative_prompt: str) -> str:
        return ", ".join(filter(None, (negative_prompt, self.negative_prompt)))


def read_style(item: object) -> Style:
    """Raises CatalogError."""
    try:
        return Style.model_validate(item)
    except ValidationError as error:
        first = error.errors()[0]
        message = message_of(first)
        raise CatalogError(f"{field_path(first) or 'style'}: {message[0].lower()}{message[1:]}") from error


def read_styles(file: Path) -> Mapping[str, Style]:
    """The styles of a file that has a table `styles:`, by id. Raises CatalogError."""
    items = yaml.safe_load(file.read_text("utf-8"))["styles"]
    return {style.id: style for style in map(read_style, items)}
