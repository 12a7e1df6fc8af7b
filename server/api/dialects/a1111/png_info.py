"""The text in a picture's file, which tells how the picture was made."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from server.api.dependencies import Reader, ServicesDep
from server.api.dialects.a1111.refusals import REFUSED, A1111Route
from server.images.base64_file import decode_base64
from server.images.codec import BadImageError
from server.images.embedded_text import read_texts
from server.images.infotext_reader import read_infotext
from server.tasks.input_images import BadInputError

router = APIRouter(route_class=A1111Route, responses=REFUSED)


class PngInfoRequest(BaseModel):
    image: str = Field(max_length=1 << 30, description="In base64.")


class PngInfoReply(BaseModel):
    info: str = Field(description="The infotext; empty if there is none.")
    items: dict[str, str] = Field(description="All texts of the file.")
    parameters: dict[str, Any] = Field(description="The infotext, by the names that it has for the parameters.")


@router.post("/png-info")
async def png_info(body: PngInfoRequest, services: ServicesDep, tenant: Reader) -> PngInfoReply:
    """Reads the infotext of a picture."""
    try:
        items = read_texts(await decode_base64(body.image, services.settings.max_upload))
    except BadImageError as error:
        raise BadInputError("image", str(error)) from error
    info = items.get("parameters", "")
    return PngInfoReply(info=info, items=items, parameters=read_infotext(info) if info else {})
