"""The settings that were read, and which of them a task of this server takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

import pipelines
from models.catalog.catalog import Catalog, MisfitError, UnknownModelError
from models.pydantic_errors import message_of
from pipelines.params.image_refs import image_fields

MAX_LISTED, MAX_VALUE = 100, 200
"""Settings that are listed as not understood, and characters of each."""
PICTURE = "data:,"
"""Stands for the pictures that the settings do not have."""


@dataclass(slots=True)
class FoundSettings:
    type: str = "txt2img.sd"
    """The task type that makes such an image."""
    params: dict[str, Any] = field(default_factory=dict)
    not_understood: dict[str, str] = field(default_factory=dict)
    """What has no effect here, by the name that it has there."""

    def refuse(self, name: str, value: object) -> None:
        if len(self.not_understood) < MAX_LISTED:
            self.not_understood[name[:MAX_VALUE]] = str(value)[:MAX_VALUE]

    def drop_misfits(self) -> None:
        """Drops what no task takes: values that are out of range, or that do not go together."""
        params = pipelines.find(self.type).Params
        pictures = dict.fromkeys(image_fields(params), PICTURE)
        for _ in range(MAX_LISTED):
            try:
                params.model_validate(pictures | {"text": ""} | self.params)
                return
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                if not self._drop([*map(str, first["loc"])] or message_of(first).split()[:1], message_of(first)):
                    self.refuse(self.type, message_of(first))
                    return

    def _drop(self, path: list[str], why: str) -> bool:
        """False if there is no such param."""
        holder, name = self.params, path[0]
        if isinstance(inner := holder.get(name), dict) and len(path) > 1 and path[1] in inner:
            holder, name = inner, path[1]
        if name not in holder:
            return False
        self.refuse(".".join(path[:2]), f"{holder.pop(name)}: {why}")
        return True


def name_of_model(catalog: Catalog, families: frozenset[str], *names: str) -> str | None:
    """The name of the first model of these families that one of the names means; None if there is none."""
    for name in filter(None, names):
        try:
            entry = catalog.find(name)
            catalog.refuse_unless(entry, families)
        except (UnknownModelError, MisfitError):
            continue
        return entry.name
    return None
