"""The routes of the models before V3."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from server.api.dependencies import ServicesDep, Submitter
from server.api.dialects.ideogram.body import image_request, read_body
from server.api.dialects.ideogram.errors import REFUSED, IdeogramRoute
from server.api.dialects.ideogram.painting import LARGEST_SIDE, Painting, paint, prompt_params
from server.api.dialects.ideogram.request_legacy import GenerateLegacyRequest

router = APIRouter(tags=["ideogram"], route_class=IdeogramRoute, responses=REFUSED)


def _body() -> dict[str, Any]:
    properties = {"image_request": GenerateLegacyRequest.model_json_schema()}
    schema = {"type": "object", "properties": properties, "required": ["image_request"]}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.post("/generate", openapi_extra=_body())
async def generate_legacy(request: Request, services: ServicesDep, tenant: Submitter) -> Response:
    """Images from a prompt, in the form of the models before V3."""
    body = image_request(GenerateLegacyRequest, await read_body(request))
    width, height = body.size
    size = {"w": width, "h": height, "max_wh": max(width, height, LARGEST_SIDE)}
    params = {**prompt_params(body, services.catalog), **size}
    return await paint(request, services, tenant, body, Painting("txt2img.sd", params))
