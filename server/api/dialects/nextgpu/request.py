"""The request of this dialect, and what it asks for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from models.catalog.catalog import Catalog
from models.catalog.style import Style
from pipelines.pipeline import MAX_TEXT
from server.api.dialects.ratios import size_of
from server.tasks.submission import InvalidParamsError

MAX_IMAGES = 16
DEFAULT_TITLE = "Image generation"
"""The workflow of the document's samples: the default model, unless the operator lists a style with this title."""


class Parameters(BaseModel):
    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    image_ratio: str = Field("1:1", alias="imageRatio", max_length=32, description="Width to height.")
    prompt_text: str = Field(alias="promptText", max_length=MAX_TEXT, description="The prompt.")


class SessionData(BaseModel):
    model_config = ConfigDict(extra="ignore")

    parameters: Parameters


class PublishRequest(BaseModel):
    model_config = ConfigDict(extra="ignore", populate_by_name=True, hide_input_in_errors=True)

    title: str = Field(DEFAULT_TITLE, max_length=256, description="A title or id of the operator's `styles:`.")
    image_count: int = Field(1, alias="imageCount", ge=1, le=MAX_IMAGES)
    image_path: str = Field("", alias="imagePath", max_length=1024, description="Accepted, without effect.")
    task_id: str = Field(
        "", alias="taskID", max_length=200, description="The same id with the same request answers the same images."
    )
    data: SessionData

    def idempotency_key(self, params: Mapping[str, Any]) -> str | None:
        """From the id and the request: users repeat the id of the document's samples with requests of their own.

        `params` are those of the request, which change with the operator's styles.
        """
        if not self.task_id:
            return None
        return hashlib.sha256(json.dumps([self.model_dump(), params], sort_keys=True).encode()).hexdigest()

    def params(self, catalog: Catalog) -> dict[str, Any]:
        """The params of txt2img.sd without the number of images. Raises InvalidParamsError, UnknownModelError."""
        style = self._style(catalog)
        model = catalog.find(style.model)
        width, height = size_of(self.data.parameters.image_ratio, model.side, "imageRatio")
        return {
            **style.params,
            "model": model.name,
            "text": style.full_prompt(self.data.parameters.prompt_text),
            "negative_prompt": style.full_negative_prompt(""),
            "w": width,
            "h": height,
            "max_wh": max(width, height),
            **({"lora_scales": style.loras} if style.loras else {}),
        }

    def _style(self, catalog: Catalog) -> Style:
        if (style := catalog.find_style(self.title)) is not None:
            return style
        if self.title not in ("", DEFAULT_TITLE):
            names = ", ".join([DEFAULT_TITLE, *catalog.style_names])
            raise InvalidParamsError(f"there is no workflow {self.title!r}; there are: {names}", "title")
        return Style(id=DEFAULT_TITLE)
