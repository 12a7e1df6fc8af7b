"""Every task type with its schema, and a typed route for each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Header, Response
from pydantic import BaseModel, Field, TypeAdapter

import pipelines
from pipelines.params.image_refs import image_fields
from pipelines.pipeline import AnyPipeline
from server.api.authenticated_route import AuthenticatedRoute, SubmissionRoute
from server.api.dependencies import ServicesDep, Submitter
from server.api.errors import error_responses
from server.api.router import Router
from server.api.task_request import ACCEPTED_RESPONSES, Envelope, SubmissionHeadersDep, submit_and_reply, typed_envelope
from server.api.task_response import TaskReply

router = Router(prefix="/v1/pipelines", tags=["pipelines"], route_class=AuthenticatedRoute)


class PipelineReply(BaseModel):
    name: str
    aliases: list[str]
    title: str
    families: list[str] = Field(
        description="Families of models that its parameter `model` accepts; empty if it has none."
    )
    images: list[str] = Field(
        description="Params that are images. Each takes a URL, a data: URI, base64, the id of an upload or a result."
    )
    params: dict[str, Any] = Field(description="JSON Schema of the params.")


@dataclass(frozen=True, slots=True)
class _Listing:
    json: bytes
    etag: str


@router.get(
    "",
    response_model=list[PipelineReply],
    responses={304: {"description": "The client already has this list (If-None-Match)."}, **error_responses(401)},
)
async def list_pipelines(if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """Every task type."""
    listing = _listing()
    headers = {"ETag": listing.etag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and listing.etag in if_none_match:
        return Response(status_code=304, headers=headers)
    return Response(listing.json, headers=headers, media_type="application/json")


@cache
def _listing() -> _Listing:
    """Built once: the schemas of all task types take a third of a second, which blocks all other requests."""
    replies = [
        PipelineReply(
            name=pipeline.names[0],
            aliases=list(pipeline.names[1:]),
            title=pipeline.title,
            families=sorted(pipeline.families),
            images=list(image_fields(pipeline.Params)),
            params=pipeline.Params.model_json_schema(),
        )
        for pipeline in pipelines.every()
    ]
    json = TypeAdapter(list[PipelineReply]).dump_json(replies)
    return _Listing(json, f'"{sha256(json).hexdigest()}"')


def _add_typed_route(pipeline: AnyPipeline) -> None:
    name = pipeline.names[0]

    async def submit_typed_task(
        body: Envelope, services: ServicesDep, tenant: Submitter, headers: SubmissionHeadersDep, response: Response
    ) -> TaskReply:
        params = body.params  # type: ignore[attr-defined]
        return await submit_and_reply(services, tenant, name, body, params, headers, response)

    # FastAPI reads the body model from the annotation; it is created at run time, so the source cannot name it.
    submit_typed_task.__annotations__["body"] = typed_envelope(pipeline)
    router.add_api_route(
        f"/{name}",
        submit_typed_task,
        methods=["POST"],
        status_code=202,
        name=f"submit_{name.replace('.', '_')}",
        summary=pipeline.title,
        responses=ACCEPTED_RESPONSES,
        route_class_override=SubmissionRoute,
    )


for _pipeline in pipelines.every():
    _add_typed_route(_pipeline)


@router.post("/{name}", include_in_schema=False)
async def refuse_unknown_type(name: str, tenant: Submitter) -> None:
    """Raises UnknownTaskTypeError, with a suggestion, or the error of a type that is not supported."""
    pipelines.find(name)
    raise pipelines.UnknownTaskTypeError(name)
