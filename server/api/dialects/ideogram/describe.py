"""Describes a picture in words."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from server.api.dependencies import ServicesDep, Submitter
from server.api.dialects.ideogram.body import form_schema, read_body, stored_file, validated
from server.api.dialects.ideogram.errors import REFUSED, IdeogramRoute
from server.api.dialects.ideogram.painting import Painting, run_task
from server.api.dialects.ideogram.request_legacy import IMAGE_FILE, DescribeRequest
from server.api.dialects.model_names import has_captioner
from server.tasks.submission import InvalidParamsError

router = APIRouter(tags=["ideogram"], route_class=IdeogramRoute, responses=REFUSED)


@router.post("/describe", openapi_extra=form_schema(DescribeRequest, IMAGE_FILE))
async def describe(request: Request, services: ServicesDep, tenant: Submitter) -> dict[str, Any]:
    """A picture in words."""
    form = await read_body(request)
    validated(DescribeRequest, form.fields)
    if not has_captioner(services.catalog):
        raise InvalidParamsError(
            "describe needs a model of family captioner, and this server has none; ask the operator for one", "describe"
        )
    picture = await stored_file(services, tenant, form, IMAGE_FILE)
    ended = await run_task(request, services, tenant, Painting("img2txt.caption", {"url": picture.id}))
    return {"descriptions": [{"text": str((ended.outcome.answer or {}).get("text", ""))}]}
