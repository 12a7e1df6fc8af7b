"""Enlarging pictures (`extras`), and describing them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.catalog.catalog import Catalog
from server.api.dependencies import CallerDep, Reader, ServicesDep
from server.api.dialects.a1111.faces import find_restorer
from server.api.dialects.a1111.generation import first_images, run_tasks
from server.api.dialects.a1111.refusals import REFUSED, A1111Route, A1111SubmissionRoute
from server.api.dialects.pictures import result_in_base64, store_picture
from server.api.dialects.workflows import Step, chain_task
from server.images.base64_file import decode_base64
from server.images.codec import BadImageError
from server.services import Services
from server.tasks.input_images import BadInputError, Upload
from server.tasks.submission import InvalidParamsError
from server.tenancy.auth import Caller

MAX_PICTURES = 50
_ESRGAN = re.compile(r"(r-|real-?)?esrgan", re.IGNORECASE)
_ANIME = re.compile(r"anime", re.IGNORECASE)
router = APIRouter(route_class=A1111SubmissionRoute, responses=REFUSED)
reading_router = APIRouter(route_class=A1111Route, responses=REFUSED)


class ExtrasRequest(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    resize_mode: Literal[0, 1] = Field(0, description="0: by upscaling_resize; 1: to upscaling_resize_w and _h.")
    upscaling_resize: float = Field(2.0, ge=0.1, le=8)
    upscaling_resize_w: int = Field(512, ge=1, le=8192)
    upscaling_resize_h: int = Field(512, ge=1, le=8192)
    upscaling_crop: bool = True
    upscaler_1: str = Field("None", max_length=256)
    upscaler_2: str = Field("None", max_length=256)
    extras_upscaler_2_visibility: float = 0.0
    gfpgan_visibility: float = Field(0.0, ge=0, le=1, description="Opacity of the faces that GFPGAN repairs.")
    codeformer_visibility: float = Field(0.0, ge=0, le=1, description="The same of a model named CodeFormer.")
    codeformer_weight: float = Field(0.0, ge=0, le=1, description="Accepted, without effect.")
    upscale_first: bool = Field(False, description="Repair faces after the picture is enlarged, and not before.")

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, values: Any) -> Any:
        return {k: v for k, v in values.items() if v is not None} if isinstance(values, dict) else values


class SingleRequest(ExtrasRequest):
    image: str = Field(max_length=1 << 30)


class NamedPicture(BaseModel):
    data: str = Field(max_length=1 << 30)
    name: str = Field("", max_length=1000)


class BatchRequest(ExtrasRequest):
    pictures: list[NamedPicture] = Field(alias="imageList", min_length=1, max_length=MAX_PICTURES)


class SingleReply(BaseModel):
    html_info: str = ""
    image: str


class BatchReply(BaseModel):
    html_info: str = ""
    images: list[str]


class InterrogateRequest(BaseModel):
    image: str = Field(max_length=1 << 30)
    model: str = Field("clip", max_length=64)


class InterrogateReply(BaseModel):
    caption: str


@router.post("/extra-single-image")
async def enlarge_one(body: SingleRequest, request: Request, services: ServicesDep, caller: CallerDep) -> SingleReply:
    """Enlarges a picture by a net, or by a plain filter."""
    (image,) = await _enlarge(services, caller, request, body, [body.image])
    return SingleReply(image=image)


@router.post("/extra-batch-images")
async def enlarge_many(body: BatchRequest, request: Request, services: ServicesDep, caller: CallerDep) -> BatchReply:
    """Enlarges several pictures."""
    pictures = [picture.data for picture in body.pictures]
    return BatchReply(images=await _enlarge(services, caller, request, body, pictures))


@router.post("/interrogate")
async def interrogate(
    body: InterrogateRequest, request: Request, services: ServicesDep, caller: CallerDep
) -> InterrogateReply:
    """Describes a picture in words."""
    (ended,) = await run_tasks(services, caller, request, [("img2txt.caption", {"url": body.image})])
    return InterrogateReply(caption=str((ended.outcome.answer or {}).get("text", "")))


@reading_router.get("/interrogate", include_in_schema=False)
async def refuse_get(tenant: Reader) -> Response:
    """Some clients take 405 for the sign that pictures can be described."""
    return Response(status_code=405, headers={"Allow": "POST"})


async def _enlarge(
    services: Services, caller: Caller, request: Request, body: ExtrasRequest, pictures: list[str]
) -> list[str]:
    _refuse_what_is_not_offered(body)
    uploads = [await _store(services, caller.tenant, picture) for picture in pictures]
    ended = await run_tasks(services, caller, request, [_task(body, upload, services.catalog) for upload in uploads])
    return [await result_in_base64(services, image) for image in first_images(ended)]


async def _store(services: Services, tenant: str, picture: str) -> Upload:
    """Stores a picture, because its size decides how large the result is."""
    try:
        return await store_picture(services, tenant, await decode_base64(picture, services.settings.max_upload))
    except BadImageError as error:
        raise BadInputError("image", str(error)) from error


def _task(body: ExtrasRequest, picture: Upload, catalog: Catalog) -> tuple[str, dict[str, Any]]:
    """Type and params of the task that enlarges one picture, and repairs its faces before or after that."""
    repairs = list(_repairs(body, catalog))
    if repairs and body.upscaler_1.strip().lower() == "none":
        return chain_task(repairs, picture.id)
    steps = _enlarging(body, picture)
    return chain_task([*steps, *repairs] if body.upscale_first else [*repairs, *steps], picture.id)


def _repairs(body: ExtrasRequest, catalog: Catalog) -> Iterator[Step]:
    """Raises InvalidParamsError."""
    for name in ("GFPGAN", "CodeFormer"):
        field = f"{name.lower()}_visibility"
        if strength := getattr(body, field):
            model = find_restorer(catalog, name, field)
            yield "img2img.face_fix", {"method": "restore", "model": model, "strength": strength}


def _enlarging(body: ExtrasRequest, picture: Upload) -> list[Step]:
    upscaler = body.upscaler_1.strip()
    crops = body.resize_mode == 1 and body.upscaling_crop
    if upscaler.lower() == "none":
        return [("cv.resize", {"w": picture.width, "h": picture.height})]
    width, height = (body.upscaling_resize_w, body.upscaling_resize_h) if crops else _size(body, picture)
    cover = {"w": width, "h": height, "mode": "cover"}
    if upscaler.lower() in ("lanczos", "nearest"):
        return [("cv.resize", {**cover, "resampling": upscaler.lower()})]
    covering = _covering(picture, width, height)
    enlarge = "img2img.sr", {**_model(upscaler), "target_w": covering[0], "target_h": covering[1]}
    return [enlarge, *([] if covering == (width, height) else [("cv.resize", {**cover, "resampling": "lanczos"})])]


def _model(upscaler: str) -> dict[str, Any]:
    """The model, by its name; the names of the web UI's own nets stand for the server's default ones."""
    if _ESRGAN.match(upscaler):
        return {"is_anime": True} if _ANIME.search(upscaler) else {}
    return {"model": upscaler}


def _size(body: ExtrasRequest, picture: Upload) -> tuple[int, int]:
    if body.resize_mode == 0:
        return round(picture.width * body.upscaling_resize), round(picture.height * body.upscaling_resize)
    return _covering(picture, body.upscaling_resize_w, body.upscaling_resize_h)


def _covering(picture: Upload, width: int, height: int) -> tuple[int, int]:
    """The smallest size of the picture's shape that covers `width` × `height`."""
    scale = max(width / picture.width, height / picture.height)
    return max(round(picture.width * scale), width), max(round(picture.height * scale), height)


def _refuse_what_is_not_offered(body: ExtrasRequest) -> None:
    if body.extras_upscaler_2_visibility > 0 and body.upscaler_2.lower() != "none":
        raise InvalidParamsError("a second upscaler is not offered; send upscaler_2 None", "upscaler_2")
