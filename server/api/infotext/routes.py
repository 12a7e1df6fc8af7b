"""`POST /v1/infotext`: the settings of a picture of Hua, of A1111's web UI or of ComfyUI, as params of a task."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from models.catalog.catalog import Catalog
from server.api.authenticated_route import AuthenticatedRoute
from server.api.dependencies import Reader, ServicesDep
from server.api.errors import error_responses
from server.api.infotext.comfyui import NoGraphError, parse_graph, read_comfyui
from server.api.infotext.settings import FoundSettings
from server.api.infotext.web_ui import read_web_ui
from server.api.router import Router
from server.api.uploads import BODY, read_file
from server.images.base64_file import decode_base64
from server.images.codec import BadImageError
from server.images.embedded_text import MAX_TEXT_BYTES, read_texts
from server.tasks.input_images import BadInputError

router = Router(prefix="/v1/infotext", tags=["prompts"], route_class=AuthenticatedRoute)
HUA_SIGN = "Version: Hua"
Source = Literal["hua", "a1111", "comfyui"]


class InfotextRequest(BaseModel):
    """A text or a picture; the picture may also be the body itself, or the field `file` of a form."""

    model_config = ConfigDict(extra="forbid", str_min_length=0)

    text: Annotated[str, StringConstraints(max_length=MAX_TEXT_BYTES)] = Field(
        "", description="Infotext, or a graph of ComfyUI in its format for the API."
    )
    image: str = Field("", max_length=1 << 30, description="A PNG, JPEG or WebP, in base64 or as a data: URI.")


class InfotextReply(BaseModel):
    source: Source = Field(description="The program that wrote it. `a1111` also for others that write infotext.")
    type: str = Field(description="A task type that makes such an image.")
    params: dict[str, Any] = Field(
        description="Params for that task, as far as there are any; a picture that it starts from is not among them."
    )
    not_understood: dict[str, str] = Field(
        description="What has no effect here, by the name that it has there: settings, models that this server lacks."
    )
    text: str = Field(description="The text as it was found.")


_JSON_BODY = {"application/json": {"schema": InfotextRequest.model_json_schema()}}


@router.post(
    "",
    responses=error_responses(400, 401, 413, 422),
    openapi_extra={"requestBody": {"required": True, "content": {**_JSON_BODY, **BODY["content"]}}},
)
async def read_infotext(request: Request, services: ServicesDep, _: Reader) -> InfotextReply:
    """Reads how an image was made. The picture is not stored."""
    field, texts = await _texts(request, services.settings.max_upload)
    return await asyncio.to_thread(_read, texts, field, services.catalog)


async def _texts(request: Request, max_upload: int) -> tuple[str, dict[str, str]]:
    """The field of the request, and the texts in it by keyword. Raises BadInputError."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return "file", await _texts_of("file", await read_file(request))
    try:
        body = InfotextRequest.model_validate_json(await request.body())
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from error
    if not body.image:
        return "text", {"": body.text}
    try:
        data = await decode_base64(body.image, max_upload)
    except BadImageError as error:
        raise BadInputError("image", str(error)) from error
    return "image", await _texts_of("image", data)


async def _texts_of(field: str, data: bytes) -> dict[str, str]:
    try:
        return await asyncio.to_thread(read_texts, data)
    except BadImageError as error:
        raise BadInputError(field, str(error)) from error


def _read(texts: dict[str, str], field: str, catalog: Catalog) -> InfotextReply:
    """Raises BadInputError if there is nothing to read."""
    infotext = texts.get("parameters", "") or texts.get("", "")
    for graph in (texts.get("prompt", ""), infotext):
        try:
            return _reply("comfyui", read_comfyui(parse_graph(graph), catalog), graph)
        except NoGraphError:
            continue
    if not infotext.strip():
        more = "; save the workflow in ComfyUI's format for the API" if "workflow" in texts else ""
        raise BadInputError(field, f"there are no settings of Hua, A1111's web UI or ComfyUI in it{more}")
    source: Source = "hua" if HUA_SIGN in infotext.rpartition("\n")[2] else "a1111"
    return _reply(source, read_web_ui(infotext, catalog), infotext)


def _reply(source: Source, found: FoundSettings, text: str) -> InfotextReply:
    found.drop_misfits()
    return InfotextReply(
        source=source, type=found.type, params=found.params, not_understood=found.not_understood, text=text
    )
