"""What surrounds a task's params in a request, and how an accepted task is answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from pipelines.pipeline import AnyPipeline, Params
from server.api.errors import error_responses
from server.api.task_response import TaskReply, task_reply
from server.services import Services
from server.task import Output, Priority, Retention
from server.tasks.lookup import load_record, wait_until_ended
from server.tasks.submission import Submission, submit

LONGEST_WAIT_S = 60

ACCEPTED: dict[int | str, dict[str, Any]] = {
    200: {"model": TaskReply, "description": "It has ended: within the time of `Prefer: wait`, or before."},
    202: {"model": TaskReply, "description": "Accepted; Location says where to ask for it."},
    **error_responses(400, 401, 404, 409, 413, 422, 429, 503),
}


class OutputRequest(Output):
    model_config = ConfigDict(extra="forbid")


class Envelope(BaseModel):
    """All but the params; unknown names are refused, so that a typing error is never ignored."""

    model_config = ConfigDict(extra="forbid")

    priority: Priority = Field("normal", description="Which class it waits in.")
    retention: Retention | None = Field(None, description="How long its images are kept; default: the server's.")
    callback_url: str = Field("", max_length=2048, description="POSTed the task, signed, once it has ended.")
    output: OutputRequest = Field(OutputRequest(), description="How the images are written.")


class TaskEnvelope(Envelope):
    """A task of any type; `POST /v1/pipelines/{type}` has each type's own schema."""

    type: str = Field(
        max_length=64, description="A name or alias that GET /v1/pipelines lists.", examples=["txt2img.sd"]
    )
    params: dict[str, Any] = Field(
        description="As the schema of the type says.", examples=[{"text": "a red house on the grass"}]
    )


def typed_envelope(pipeline: AnyPipeline) -> type[Envelope]:
    """The envelope of one task type, with its params spelt out for the API's description."""
    name = "".join(word.capitalize() for word in re.split(r"[._]", pipeline.names[0])) + "Task"
    params: Any = (pipeline.Params, ...)
    return create_model(name, __base__=Envelope, __doc__=pipeline.title, params=params)


@dataclass(frozen=True, slots=True)
class SubmissionHeaders:
    """The headers of a submission."""

    idempotency_key: str | None
    wait_s: int


async def wishes(
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=255, description="The same key with the same body is the same task."),
    ] = None,
    prefer: Annotated[
        str | None,
        Header(description=f"`wait=N` answers when the task ends, in N ≤ {LONGEST_WAIT_S} seconds at most."),
    ] = None,
) -> SubmissionHeaders:
    found = re.search(r"\bwait=(\d{1,9})\b", prefer or "")
    return SubmissionHeaders(idempotency_key, min(int(found[1]), LONGEST_WAIT_S) if found else 0)


# Made by a coroutine: what is not one runs in a thread, at every request.
SentWishes = Annotated[SubmissionHeaders, Depends(wishes)]


async def accept(
    services: Services,
    tenant: str,
    task_type: str,
    envelope: Envelope,
    params: Mapping[str, Any] | Params,
    wishes: SubmissionHeaders,
    response: Response,
) -> TaskReply:
    """Submits; 200 with a task that has ended, else 202."""
    view = await submit(
        services,
        Submission(
            type=task_type,
            params=params,
            tenant=tenant,
            priority=envelope.priority,
            retention=envelope.retention,
            output=envelope.output,
            callback_url=envelope.callback_url,
            idempotency_key=wishes.idempotency_key,
        ),
    )
    record = await load_record(services, view)
    if wishes.wait_s:
        record = await wait_until_ended(services, record, wishes.wait_s)
        response.headers["Preference-Applied"] = f"wait={wishes.wait_s}"
    response.status_code = 200 if record.manifest else 202
    response.headers["Location"] = services.links.task(view.task.id)
    return task_reply(record, services.links)
