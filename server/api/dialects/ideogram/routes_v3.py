"""The routes of V3."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from server.api.dependencies import ServicesDep, Submitter
from server.api.dialects.ideogram.body import read_body, validated
from server.api.dialects.ideogram.errors import REFUSED, IdeogramRoute
from server.api.dialects.ideogram.painting import LARGEST_SIDE, Painting, paint, prompt_params
from server.api.dialects.ideogram.request_v3 import GenerateV3Request, V3Request

router = APIRouter(prefix="/v1/ideogram-v3", tags=["ideogram"], route_class=IdeogramRoute, responses=REFUSED)


def _body(kind: type[V3Request]) -> dict[str, Any]:
    types, schema = ("multipart/form-data", "application/json"), kind.model_json_schema()
    return {"requestBody": {"required": True, "content": {each: {"schema": schema} for each in types}}}


@router.post("/generate", openapi_extra=_body(GenerateV3Request))
async def generate_v3(request: Request, services: ServicesDep, tenant: Submitter) -> Response:
    """Images from a prompt. The answer comes once they are painted."""
    body = validated(GenerateV3Request, (await read_body(request)).fields)
    width, height = body.size
    size = {"w": width, "h": height, "max_wh": max(width, height, LARGEST_SIDE)}
    params = {**prompt_params(body, services.catalog), **size}
    return await paint(request, services, tenant, body, Painting("txt2img.sd", params))
