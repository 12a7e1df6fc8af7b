"""`/v1/chat/completions`: the operator's language model, as its endpoint answers."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Literal

from fastapi import Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Receive, Scope, Send

from server.api.dependencies import ServicesDep, Submitter
from server.api.dialects.openai.errors import OpenAIErrorReply, OpenAIRoute
from server.api.router import Router
from server.llm import COMPLETIONS, LLM, LLMError, NoLLMError
from server.tasks.prompts.audit import PromptAudit
from server.tasks.submission import spend_token

log = logging.getLogger(__name__)
MAX_TOKENS = 4096
MOST_PARTS = 64
"""Parts of a stream that wait for a slow client; the endpoint waits then, too."""
UNBUFFERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""Keep proxies from holding parts of a stream back."""
Content = Annotated[str, Field(max_length=100_000)]


class ChatMessage(BaseModel):
    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant"]
    content: Content


class ChatRequest(BaseModel):
    """Other fields of OpenAI's requests are ignored. The operator chooses the model."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    messages: list[ChatMessage] = Field(min_length=1, max_length=200)
    model: str = Field("", description="Ignored: the operator chooses the model.")
    max_tokens: int | None = Field(None, ge=1, le=MAX_TOKENS)
    max_completion_tokens: int | None = Field(None, ge=1, le=MAX_TOKENS, description="The newer name of max_tokens.")
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    stop: str | list[str] | None = Field(None, max_length=1000)
    stream: bool = False

    def forwarded(self) -> dict[str, Any]:
        """The request to the endpoint, without the name of a model."""
        names = {"messages", "temperature", "top_p", "stop", "stream"}
        body = self.model_dump(include=names, exclude_none=True)
        return {**body, "max_tokens": self.max_completion_tokens or self.max_tokens or MAX_TOKENS}


REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": OpenAIErrorReply, "description": "Refused; `error.message` tells why."}
    for status in (400, 401, 403, 413, 429, 500, 503)
}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A chat completion, or its parts as server-sent events.",
        "content": {"application/json": {"schema": {}}, "text/event-stream": {"schema": {"type": "string"}}},
    }
}
router = Router(prefix="/v1/chat", tags=["openai"], route_class=OpenAIRoute, responses=STREAM | REFUSED)


@router.post("/completions")
async def complete_chat(body: ChatRequest, services: ServicesDep, tenant: Submitter) -> Response:
    """The answer of the operator's language model (HUA_LLM_URL), as it comes from its endpoint.

    The words of the conversation and of the answer are audited. An audited answer is streamed in one part.
    """
    if not services.llm.offered:
        raise NoLLMError("this server has no language model; the operator sets HUA_LLM_URL")
    await spend_token(services, tenant, None)
    audit = PromptAudit.of(services, tenant, "chat")
    messages = [each.model_copy(update={"content": await audit.checked(each.content)}) for each in body.messages]
    body = body.model_copy(update={"messages": messages})
    if not body.stream:
        return _answer(await _audited(services.llm, body, audit))
    if audit.is_off:
        return await begin_stream(services.llm, body)
    completion = await _audited(services.llm, body.model_copy(update={"stream": False}), audit)
    return StreamingResponse(_in_one_part(completion), media_type="text/event-stream", headers=UNBUFFERED)


async def _audited(llm: LLM, body: ChatRequest, audit: PromptAudit) -> dict[str, Any]:
    """The whole completion. Raises LLMError, UnsafeTextError, AuditUnavailableError.

    An audited one has only what was judged, and not the thoughts of the model, for example.
    """
    completion = await llm.complete(body.forwarded())
    if audit.is_off:
        return completion
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": await audit.checked(choice["message"]["content"] or "")},
            "finish_reason": choice.get("finish_reason") or "stop",
        }
        for index, choice in enumerate(completion["choices"])
    ]
    return {**completion, "choices": choices}


def _answer(completion: Mapping[str, Any]) -> Response:
    """Raises LLMError for what Python reads in JSON, but JSON does not have: NaN, lone surrogates."""
    try:
        return JSONResponse(completion)
    except ValueError as error:
        raise LLMError("the language model's answer is no chat completion") from error


async def _in_one_part(completion: Mapping[str, Any]) -> AsyncIterator[bytes]:
    choices = [
        {"index": choice["index"], "delta": choice["message"], "finish_reason": choice["finish_reason"]}
        for choice in completion["choices"]
    ]
    part = {**completion, "object": "chat.completion.chunk", "choices": choices}
    yield f"data: {json.dumps(part)}\n\ndata: [DONE]\n\n".encode()


async def begin_stream(llm: LLM, body: ChatRequest) -> Response:
    """The parts of the answer as they come, once there is a first one. Raises LLMError.

    A stream that breaks later ends without `[DONE]`, which clients notice. One task holds the connection, because the
    framework reads a stream in another task than that of the request, and a time limit belongs to one task.
    """
    parts: asyncio.Queue[bytes | LLMError | None] = asyncio.Queue(MOST_PARTS)
    producer = asyncio.create_task(_produce(llm, body, parts))
    try:
        first = await parts.get()
    except asyncio.CancelledError:
        producer.cancel()
        raise
    if isinstance(first, LLMError):
        raise first
    return _ModelStream(_rest(first, parts), producer)


async def _produce(llm: LLM, body: ChatRequest, parts: asyncio.Queue[bytes | LLMError | None]) -> None:
    try:
        async with llm.answering(COMPLETIONS, body.forwarded()) as answer:
            async for part in answer.aiter_bytes():
                await parts.put(part)
    except LLMError as error:
        await parts.put(error)
    except Exception as error:
        # Whatever it is, the request waits for a part. The message of the error may hold words.
        log.error("a stream of the language model failed: %s", type(error).__name__)
        await parts.put(LLMError("the language model's answer cannot be read"))
    else:
        await parts.put(None)


async def _rest(first: bytes | None, parts: asyncio.Queue[bytes | LLMError | None]) -> AsyncIterator[bytes]:
    part: bytes | LLMError | None = first
    while isinstance(part, bytes):
        yield part
        part = await parts.get()


class _ModelStream(StreamingResponse):
    """Ends the connection to the model with the response, also if the client hung up before the first part."""

    def __init__(self, parts: AsyncIterator[bytes], producer: asyncio.Task[None]) -> None:
        super().__init__(parts, media_type="text/event-stream", headers=UNBUFFERED)
        self._producer = producer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._producer.cancel()
