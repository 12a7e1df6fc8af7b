"""Text from the operator's language model, in the shape of `/engine/get_prompt`."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field, model_validator

from server.api.dependencies import ServicesDep, Submitter
from server.api.dialects.nolibox.prompts import REFUSED, PromptReply, PromptRoute
from server.api.dialects.openai.chat import MAX_TOKENS, ChatMessage, Content
from server.llm import NoLLMError
from server.tasks.prompts.audit import PromptAudit


class TextBody(BaseModel):
    text: Content = Field("", description="What to answer, as the only message.")
    messages: list[ChatMessage] = Field([], max_length=200, description="A conversation, in place of `text`.")
    max_tokens: int = Field(1024, ge=1, le=MAX_TOKENS)
    temperature: float = Field(0.7, ge=0, le=2)

    @model_validator(mode="after")
    def _check_messages(self) -> TextBody:
        if bool(self.text.strip()) == bool(self.messages):
            raise ValueError("send either text or messages")
        return self


router = APIRouter(route_class=PromptRoute, responses=REFUSED)


@router.post("/text")
async def write_text(body: TextBody, services: ServicesDep, tenant: Submitter) -> PromptReply:
    """What the operator's language model (HUA_LLM_URL) answers."""
    if not services.llm.offered:
        raise NoLLMError("this server has no language model; the operator sets HUA_LLM_URL")
    audit = PromptAudit.of(services, tenant, "chat")
    sent = [message.model_dump() for message in body.messages] or [{"role": "user", "content": body.text}]
    messages = [{**message, "content": await audit.checked(message["content"])} for message in sent]
    text = await services.llm.chat(messages, temperature=body.temperature, max_tokens=body.max_tokens)
    return PromptReply(text=await audit.checked(text), success=True, reason="")
