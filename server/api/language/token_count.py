"""`/v1/prompts/count`: how many tokens a prompt has for a model."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from tokenizers import Tokenizer

from models.adapters.lora_tags import LoraTagError
from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.diffusion.prompt_syntax import CHUNK, PromptError
from models.files.adapter_keys import embedding_vectors
from models.files.safetensors_header import read_header
from models.files.weights_error import WeightsError
from models.kinds import CHECKPOINT_FAMILIES
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from models.loading.clip_pieces import clip_pieces
from server.api.dependencies import Reader, ServicesDep
from server.api.errors import error_responses
from server.api.router import Router
from server.prompts.token_count import CountedPrompt, count_tokens
from server.tasks.submission import InvalidParamsError

router = Router(prefix="/v1/prompts", tags=["prompts"])


class CountRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=20_000, description="The prompt, in the grammar of tasks.", examples=["a red house"])
    model: str = Field("", max_length=300, description="A checkpoint of GET /v1/models; empty: the default one.")
    num_steps: int = Field(20, ge=1, le=200, description="Steps of the task, for words that change with the steps.")


class ChunkReply(BaseModel):
    tokens: int = Field(description=f"At most {CHUNK}.")
    text: str = Field(description="The words that are in it.")


class PromptTokens(BaseModel):
    tokens: int
    chunks: list[ChunkReply] = Field(
        description="What the text encoder reads at a time. Words in different chunks know less of each other."
    )


class CountReply(BaseModel):
    model: str
    tokens: int = Field(description="Of the longest prompt, at the step at which it is longest.")
    chunk_size: int = Field(CHUNK, description="Tokens of a full chunk.")
    prompts: list[PromptTokens] = Field(description="The prompts that AND joins; one if there is no AND.")


@router.post("/count", responses=error_responses(400, 401, 403, 413, 422, 503))
async def count_prompt(body: CountRequest, services: ServicesDep, _: Reader) -> CountReply:
    """The tokens of a prompt, and how the text encoder of the model cuts it into chunks."""
    catalog = services.catalog
    model = catalog.find(ModelRef(CHECKPOINT, body.model)) if body.model else catalog.default
    catalog.refuse_unless(model, CHECKPOINT_FAMILIES)
    counted = await asyncio.to_thread(_count, catalog, model, body)
    prompts = [
        PromptTokens(tokens=each.tokens, chunks=[ChunkReply(tokens=c.tokens, text=c.text) for c in each.chunks])
        for each in counted
    ]
    return CountReply(model=model.name, tokens=max(prompt.tokens for prompt in prompts), prompts=prompts)


def _count(catalog: Catalog, model: ModelEntry, body: CountRequest) -> list[CountedPrompt]:
    embeddings = catalog.embeddings([ModelRef(CHECKPOINT, model.name)])
    vectors = {name: _vectors(each.path, each.stamp) for each in embeddings for name in (each.name, *each.aliases)}
    try:
        return count_tokens(body.text, body.num_steps, _tokenizer_of(model), vectors)
    except (PromptError, LoraTagError) as error:
        raise InvalidParamsError(f"text: {error}", "text") from error


def _tokenizer_of(model: ModelEntry) -> Tokenizer:
    """That of its folder, else the published one."""
    folders = (folder / "tokenizer" for folder in (model.config, model.path) if folder is not None)
    return _read_tokenizer(next((folder for folder in folders if folder.is_dir()), None), model.stamp)


@lru_cache(maxsize=8)
def _read_tokenizer(folder: Path | None, stamp: str) -> Tokenizer:
    """`stamp` is that of the model, whose files may change."""
    return clip_pieces(folder)


@lru_cache(maxsize=4096)
def _vectors(file: Path, stamp: str) -> int:
    """One if the file cannot be read: the task will tell why."""
    try:
        return embedding_vectors(read_header(file))
    except (WeightsError, OSError):
        return 1
