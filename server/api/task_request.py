"""The parts of a submission besides the task's params, and the answer to it."""

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
from server.task import AnyRetention, Output, Priority
from server.tasks.lookup import load_record, wait_until_ended
from server.tasks.submission import Submission, submit

MAX_WAIT_S = 60

ACCEPTED_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": TaskReply, "description": "The task has ended: within the time of `Prefer: wait`, or before."},
    202: {"model": TaskReply, "description": "Accepted. Location is the address of the task."},
    **error_responses(400, 401, 404, 409, 413, 422, 429, 503),
}


class OutputRequest(Output):
    model_config = ConfigDict(extra="forbid")


class Envelope(BaseModel):
    """All of a submission but the params. Unknown fields are refused, so that no spelling mistake is ignored."""

    model_config = ConfigDict(extra="forbid")

    priority: Priority | None = Field(
        None, description="Priority class. Default: normal, or the first one that the tenant may use."
    )
    retention: AnyRetention | None = Field(
        None,
        description="How long the images are stored. `keep`: without end, within the quota of the tenant; if they "
        "do not fit into it when the task ends, they are deleted later, and `warnings` says so. Default: the setting "
        "of the server.",
    )
    callback_url: str = Field(
        "", max_length=2048, description="URL to which the ended task is sent by POST, with a signature."
    )
    output: OutputRequest = Field(OutputRequest(), description="File format of the images.")


class TaskEnvelope(Envelope):
    """A task of any type. `POST /v1/pipelines/{type}` has the schema of each type."""

    type: str = Field(
        max_length=64, description="A name or alias that GET /v1/pipelines lists.", examples=["txt2img.sd"]
    )
    params: dict[str, Any] = Field(
        description="Parameters, by the schema of the type.", examples=[{"text": "a red house on the grass"}]
    )


def typed_envelope(pipeline: AnyPipeline) -> type[Envelope]:
    """The envelope of one task type, whose params have a schema in the API's description."""
    name = "".join(word.capitalize() for word in re.split(r"[._]", pipeline.names[0])) + "Task"
    params: Any = (pipeline.Params, ...)
    return create_model(name, __base__=Envelope, __doc__=pipeline.title, params=params)


@dataclass(frozen=True, slots=True)
class SubmissionHeaders:
    """The headers of a submission. `wait_s` is 0 if the client does not wait."""

    idempotency_key: str | None
    wait_s: int


async def submission_headers(
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            description="Makes a retry safe: the same key with the same body returns the same task.",
        ),
    ] = None,
    prefer: Annotated[
        str | None,
        Header(description=f"`wait=N` answers as soon as the task ends, after N ≤ {MAX_WAIT_S} seconds at the latest."),
    ] = None,
) -> SubmissionHeaders:
    match = re.search(r"\bwait=(\d{1,9})\b", prefer or "")
    return SubmissionHeaders(idempotency_key, min(int(match[1]), MAX_WAIT_S) if match else 0)


# The dependency is a coroutine function because FastAPI runs others in a thread, at every request.
SubmissionHeadersDep = Annotated[SubmissionHeaders, Depends(submission_headers)]


async def submit_and_reply(
    services: Services,
    tenant: str,
    task_type: str,
    envelope: Envelope,
    params: Mapping[str, Any] | Params,
    headers: SubmissionHeaders,
    response: Response,
) -> TaskReply:
    """Submits a task and sets the status of the response: 200 if the task has ended, otherwise 202.

    `response` also gets the headers Location and, after a wait, Preference-Applied. Raises what `submit` raises.
    """
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
            idempotency_key=headers.idempotency_key,
        ),
    )
    record = await load_record(services, view)
    if headers.wait_s:
        record = await wait_until_ended(services, record, headers.wait_s)
        response.headers["Preference-Applied"] = f"wait={headers.wait_s}"
    response.status_code = 200 if record.manifest else 202
    response.headers["Location"] = services.links.task(view.task.id)
    return task_reply(record, services.links)
