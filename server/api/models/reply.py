"""A model as the API shows it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ModelReply(BaseModel):
    """A model in Hua's fields and in those that OpenAI's clients read."""

    model_config = ConfigDict(populate_by_name=True)

    id: str = Field(description="The same as `name`.")
    object: Literal["model"] = "model"
    created: int = Field(0, description="Unix seconds at which its file was changed; 0 if it is not known.")
    owned_by: str = "hua"
    name: str
    title: str = Field(
        "",
        description="The title of its entry; else `FILE [hash]`, as A1111's web UI calls it, once the hash is known.",
    )
    kind: str = Field("", description="What it is: checkpoint, LoRA, upscaler…; empty if it is not known.")
    family: str = Field("", description="Empty if it is not known, because the model cannot be used.")
    aliases: list[str] = []
    base: str | None = Field(
        None,
        alias="for",
        description="The family of checkpoints that an adapter or ControlNet is for; null for others.",
    )
    hint: str | None = Field(
        None,
        description="The kind of control map that a ControlNet follows or an annotator draws; `face` of an "
        "IP-Adapter for faces; null for others.",
    )
    trigger_words: list[str] = Field(
        [],
        description="The words to which a LoRA answers, the most frequent first: those of its entry, else of its file.",
    )
    reads: list[str] | None = Field(
        None, description="Languages of prompts that a checkpoint reads; prompts in others are translated into English."
    )
    side: int | None = Field(
        None, description="Width and height in pixels of an image whose task gives no size; null: 512."
    )
    default: bool = Field(False, description="Whether tasks that name no model use it.")
    bytes: int = Field(0, description="Size of the weights on disk.")
    licence: str = Field("", description="The licence of the weights; empty if it is not known.")
    hash: str | None = Field(
        None, description="AutoV2: the first 10 digits of sha256. A task may name the model by it. null: not known yet."
    )
    sha256: str | None = Field(None, description="Of the file; null: not known yet, or the model is a folder.")
    tensor_hash: str | None = Field(
        None,
        description="AutoV3, A1111's hash of LoRAs: the first 12 digits of the SHA-256 of what follows the header of "
        "the file; null: not known.",
    )
    preview: str | None = Field(
        None, description="Address of the picture beside its file, which needs a key as this list does; null: none."
    )
    resident_on: list[str] = Field([], description="Workers that have it on their device now.")
    problem: str = Field("", description="Why it cannot be used, and what to do; empty if it can.")


class ModelProblem(BaseModel):
    names: list[str] = Field(description="The models that cannot be used; empty if all can be used all the same.")
    message: str = Field(description="What is wrong, and what to do.")


class RefreshReply(BaseModel):
    """What has changed since the models folder was read before."""

    added: list[str]
    changed: list[str] = Field(description="Models whose files or entries are others now. Running tasks keep the old.")
    removed: list[str]
    problems: list[ModelProblem] = Field(description="All that are known now, also those known before.")


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelReply]
