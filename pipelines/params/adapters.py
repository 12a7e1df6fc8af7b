"""What a task adds to its checkpoint: LoRAs, embeddings, image prompts, token merging, another VAE or decoder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from models.adapters.lora_tags import MAX_SCALE, Scales, rename_lora_tags, split_lora_tags
from models.catalog.catalog import MAX_TITLE
from models.catalog.entry import ModelEntry
from models.diffusion.word_match import any_of
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.lora import LORA
from models.kinds.textual_inversion import TEXTUAL_INVERSION
from models.kinds.vae import TINY_DECODER, VAE
from pipelines.params.ip_adapter import IPAdapterInfo
from pipelines.params.patch import PatchParams
from pipelines.params.prompts import NegativePrompt, Prompt
from pipelines.params.style_reference import StyleReference
from pipelines.params.token_merging import TomeInfo
from pipelines.pipeline import Models, Params

if TYPE_CHECKING:
    import numpy as np

    from models.diffusion.checkpoint import Checkpoint
    from models.patches.patch import DenoiserPatch

Scale = Annotated[float, Field(ge=-MAX_SCALE, le=MAX_SCALE)]
MAX_LORAS = 8
MAX_NAMES = 1000
Word = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^()\[\]\\\s][^()\[\]\\]*$")]
MAX_COMPONENT = 1000.0
"""Trained vectors stay below 10. Half precision ends at 65,504, and a text encoder needs room for its sums."""
Component = Annotated[float, Field(ge=-MAX_COMPONENT, le=MAX_COMPONENT, allow_inf_nan=False)]
Vector = Annotated[list[Component], Field(min_length=1, max_length=4096, fail_fast=True)]


def _without_own_vae(name: object) -> object:
    """ "" for the names by which A1111's web UI means the model's own VAE."""
    return "" if isinstance(name, str) and name.casefold() in ("automatic", "none") else name


class AdapterParams(Params):
    """A prompt, and the adapters that it or other parameters name."""

    text: Prompt
    negative_prompt: NegativePrompt

    lora_scales: dict[str, Scale] | None = Field(
        None,
        description="LoRAs by name or alias, as GET /v1/models lists them, and their scales. LoRAs named by "
        f"`<lora:…>` in text are added to these. At most {MAX_LORAS} in all.",
        examples=[{"toy-lora": 0.8}],
    )
    lora_paths: tuple[str, ...] | None = Field(
        None, max_length=MAX_NAMES, fail_fast=True, description="Not supported. Only null is accepted; use lora_scales."
    )
    custom_embeddings: dict[Word, Annotated[list[Vector], Field(min_length=1, max_length=32, fail_fast=True)]] = Field(
        {},
        max_length=16,
        description="Words, and the vectors that replace them in prompts (textual inversion). Each vector has as many "
        "numbers as the model's text encoder is wide, from -1000 to 1000.",
    )
    embeddings: tuple[str, ...] | None = Field(
        None,
        max_length=MAX_NAMES,
        fail_fast=True,
        description="Names of the embeddings that prompts may mention, as GET /v1/models lists them. null: all.",
    )
    tome_info: TomeInfo | None = Field(
        None, description="Merge similar tokens: faster, but the image changes a little."
    )
    ip_adapter: IPAdapterInfo | None = Field(
        None, description="An image that acts as a prompt besides the text (IP-Adapter)."
    )
    style_reference: StyleReference | None = Field(None, description="An image whose style is copied.")
    decoder: Literal["full", "tiny"] = Field(
        "full",
        description="`full`: the model's own decoder. `tiny`: a small network distilled from it (TAESD), with an "
        "eighteenth of the computation; fine detail changes a little.",
    )
    vae: Annotated[str, BeforeValidator(_without_own_vae)] = Field(
        "",
        max_length=MAX_TITLE,
        description="A VAE that encodes and decodes instead of the model's own, by a name that GET /v1/models lists. "
        "Empty, `automatic` or `none`: the model's own.",
    )
    disable_easy_negative: bool = Field(
        False, description="Do not add the embeddings that this server may add to every negative prompt."
    )

    @model_validator(mode="after")
    def _check_loras(self) -> Self:
        if self.lora_paths:
            raise ValueError(
                "lora_paths is not supported, because callers name LoRAs and never files; ask the operator to list the "
                "file in models.yaml with family lora, and give its name in lora_scales"
            )
        if len(self.loras) > MAX_LORAS:
            raise ValueError(f"{len(self.loras)} LoRAs are too many; use at most {MAX_LORAS}")
        for name, scales in self.loras.items():
            if max(map(abs, scales)) > MAX_SCALE:
                raise ValueError(
                    f"the scales of LoRA {name!r} add up to {max(scales, key=abs):g}; their sum may be from "
                    f"{-MAX_SCALE:g} to {MAX_SCALE:g}"
                )
        if split_lora_tags(self.negative_prompt)[1]:
            raise ValueError("<lora:…> has no effect in negative_prompt; write it in text")
        return self

    @model_validator(mode="after")
    def _check_embeddings(self) -> Self:
        for word, vectors in self.custom_embeddings.items():
            if len({len(vector) for vector in vectors}) > 1:
                raise ValueError(f"custom_embeddings: the vectors of {word!r} differ in length; make them equally long")
        return self

    @model_validator(mode="after")
    def _check_style(self) -> Self:
        merges_tokens = self.tome_info and self.tome_info.enable
        if merges_tokens and self.style_reference and self.style_reference.url:
            raise ValueError(
                "tome_info merges tokens that style_reference needs; use only one of tome_info and style_reference"
            )
        return self

    def with_mentioned_embeddings(self, embeddings: Sequence[ModelEntry]) -> Self:
        """These parameters with the embeddings that their prompts mention.

        `embeddings` are those that fit the checkpoint. Those that every negative prompt gets are added to it. If the
        task lists `embeddings` itself, its list stays.
        """
        negative = self.negative_prompt
        for entry in embeddings:
            if entry.negative and not self.disable_easy_negative and not _mentions(entry, negative):
                negative = ", ".join(filter(None, (negative, entry.name)))
        mentioned = [entry.name for entry in embeddings if _mentions(entry, self.text) or _mentions(entry, negative)]
        used = mentioned if self.embeddings is None else self.embeddings
        return self.model_copy(update={"embeddings": tuple(used), "negative_prompt": negative})

    def with_lora_names(self, names: Mapping[str, str]) -> Self:
        """These parameters with other names for LoRAs; `names` are the new names by the old ones in lower case."""
        if not names:
            return self
        scales: dict[str, float] = {}
        for name, scale in (self.lora_scales or {}).items():
            new_name = names.get(name.lower(), name)
            scales[new_name] = scales.get(new_name, 0.0) + scale
        text = rename_lora_tags(self.text, names)
        return self.model_copy(update={"text": text, "lora_scales": scales or self.lora_scales})

    @property
    @abstractmethod
    def checkpoint(self) -> str:
        """The name of the checkpoint that this task runs on."""

    @property
    def loras(self) -> dict[str, Scales]:
        """The LoRAs of lora_scales and of the prompt, by name. The scales of a LoRA that is named twice add up."""
        named = [(name.lower(), Scales(scale, scale)) for name, scale in (self.lora_scales or {}).items()]
        loras: dict[str, Scales] = {}
        for name, scales in (*named, *split_lora_tags(self.text)[1]):
            loras[name] = loras.get(name, Scales(0, 0)) + scales
        return loras

    @property
    def checkpoint_ref(self) -> ModelRef[Checkpoint]:
        """The checkpoint that denoises."""
        return ModelRef(CHECKPOINT, self.checkpoint)

    @property
    def extra_models(self) -> tuple[AnyModelRef, ...]:
        """The models that this task needs besides its checkpoint."""
        refs: list[AnyModelRef] = [ModelRef(LORA, name) for name in self.loras]
        refs += [ModelRef(TEXTUAL_INVERSION, name) for name in self.embeddings or ()]
        if self.ip_adapter is not None:
            refs += self.ip_adapter.models(self.checkpoint)
        if self.vae:
            refs.append(ModelRef(VAE, self.vae))
        if self.decoder == "tiny":
            refs.append(ModelRef(TINY_DECODER, base=self.checkpoint))
        return tuple(refs)

    def load_checkpoint(self, models: Models, images: Mapping[str, np.ndarray]) -> Checkpoint:
        """The checkpoint with the task's LoRAs, embeddings and images. Custom embeddings override installed ones."""
        from models.adapters.lora_merge import Adapter
        from models.adapters.textual_inversion import inversion_of

        adapters = [Adapter(models.get(ModelRef(LORA, name)), *scales) for name, scales in self.loras.items()]
        checkpoint = models.get(self.checkpoint_ref)
        embeddings = [models.get(ModelRef(TEXTUAL_INVERSION, name)) for name in self.embeddings or ()]
        installed = [each for embedding in embeddings for each in embedding.inversions]
        own = [inversion_of(*each) for each in self.custom_embeddings.items()]
        inversions, patches = [*installed, *own], self._patches(models, images)
        decoder = models.get(ModelRef(TINY_DECODER, base=self.checkpoint)) if self.decoder == "tiny" else None
        vae = models.get(ModelRef(VAE, self.vae)) if self.vae else None
        changes = (adapters, inversions, patches, decoder, vae)
        return checkpoint.adapted(*changes) if any(changes) else checkpoint

    def _patches(self, models: Models, images: Mapping[str, np.ndarray]) -> list[DenoiserPatch]:
        """Those of every field that is a PatchParams."""
        fields = (getattr(self, name) for name in type(self).model_fields)
        requested = (each for each in fields if isinstance(each, PatchParams))
        patches = (each.denoiser_patch(self.checkpoint, models, images) for each in requested)
        return [each for each in patches if each is not None]


def _mentions(entry: ModelEntry, prompt: str) -> bool:
    return any_of([entry.name, *entry.aliases]).search(prompt) is not None
