"""What a task adds to its checkpoint: LoRAs, embeddings, pictures to be seen, token merging, another decoder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from models.adapters.lora_tags import MOST, Scales, split_lora_tags
from models.catalog.entry import ModelEntry
from models.diffusion.word_match import any_of
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.lora import LORA
from models.kinds.textual_inversion import TEXTUAL_INVERSION
from models.kinds.tiny_decoder import TINY_DECODER
from pipelines.params.ip_adapter import IPAdapterInfo
from pipelines.params.style_reference import StyleReference
from pipelines.params.token_merging import TomeInfo
from pipelines.pipeline import Models, Params

if TYPE_CHECKING:
    import numpy as np

    from models.diffusion.checkpoint import Checkpoint

Scale = Annotated[float, Field(ge=-MOST, le=MOST)]
MOST_LORAS = 8
Word = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^()\[\]\\\s][^()\[\]\\]*$")]
Vector = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=1, max_length=4096)]


class AdditionParams(Params):
    """A prompt, and what may be called in by it or beside it."""

    text: str
    negative_prompt: str

    lora_scales: dict[str, Scale] | None = Field(
        None,
        description="LoRAs by name or alias, as GET /v1/models lists them, and how strongly they are felt; those of "
        f"`<lora:…>` in text are added. {MOST_LORAS} at most.",
        examples=[{"toy-lora": 0.8}],
    )
    lora_paths: tuple[str, ...] | None = Field(None, description="Not offered; null only. See lora_scales.")
    custom_embeddings: dict[Word, Annotated[list[Vector], Field(min_length=1, max_length=32)]] = Field(
        {},
        max_length=16,
        description="Words, and the vectors that stand in for them in prompts (textual inversion), each as many "
        "numbers as the model's text encoder is wide.",
    )
    embeddings: tuple[str, ...] | None = Field(
        None,
        description="Embeddings by name, as GET /v1/models lists them, that prompts may mention; null: all there are.",
    )
    tome_info: TomeInfo | None = Field(None, description="Merge tokens that are alike: faster, and a little unlike.")
    ip_adapter: IPAdapterInfo | None = Field(None, description="A picture to be seen beside the prompt (IP-Adapter).")
    style_reference: StyleReference | None = Field(None, description="A picture to be painted like.")
    decoder: Literal["full", "tiny"] = Field(
        "full",
        description="`tiny`: the latents become pixels by a small net that was distilled from the model's own decoder "
        "(TAESD), with an eighteenth of its arithmetic; fine detail is a little unlike.",
    )
    disable_easy_negative: bool = Field(
        False, description="Leave out the embeddings that this server adds to every negative prompt, if it does."
    )

    @model_validator(mode="after")
    def _check_loras(self) -> Self:
        if self.lora_paths:
            raise ValueError(
                "lora_paths is not offered: callers name LoRAs, never files; have the file listed in models.yaml as "
                "family lora, and give its name in lora_scales"
            )
        if len(self.loras) > MOST_LORAS:
            raise ValueError(f"{len(self.loras)} LoRAs are too many; {MOST_LORAS} may work together")
        if split_lora_tags(self.negative_prompt)[1]:
            raise ValueError("<lora:…> has no meaning in negative_prompt; write it in text")
        return self

    @model_validator(mode="after")
    def _check_embeddings(self) -> Self:
        for word, vectors in self.custom_embeddings.items():
            if len({len(vector) for vector in vectors}) > 1:
                raise ValueError(f"custom_embeddings: the vectors of {word!r} differ in length; make them equal")
        return self

    @model_validator(mode="after")
    def _check_style(self) -> Self:
        merged, style = self.tome_info and self.tome_info.enable, self.style_reference and self.style_reference.url
        if merged and style:
            raise ValueError(
                "style_reference compares tokens that tome_info would have merged; leave one of the two out"
            )
        return self

    def with_mentioned_embeddings(self, embeddings: Sequence[ModelEntry]) -> Self:
        """These parameters with the embeddings that their prompts mention, of those that may be mentioned; those that
        every negative prompt gets are mentioned there."""
        negative = self.negative_prompt
        for entry in embeddings:
            if entry.negative and not self.disable_easy_negative and not _mentions(entry, negative):
                negative = ", ".join(filter(None, (negative, entry.name)))
        mentioned = [entry.name for entry in embeddings if _mentions(entry, self.text) or _mentions(entry, negative)]
        allowed = mentioned if self.embeddings is None else self.embeddings
        return self.model_copy(update={"embeddings": tuple(allowed), "negative_prompt": negative})

    @property
    @abstractmethod
    def checkpoint(self) -> str:
        """The name of the model that this task runs on."""

    @property
    def loras(self) -> dict[str, Scales]:
        """The LoRAs of lora_scales and of the prompt, by name; the scales of one that is named twice add up."""
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
            refs.append(self.ip_adapter.adapter_ref(self.checkpoint))
        if self.decoder == "tiny":
            refs.append(ModelRef(TINY_DECODER, base=self.checkpoint))
        return tuple(refs)

    def load_checkpoint(self, models: Models, images: Mapping[str, np.ndarray]) -> Checkpoint:
        """The checkpoint with the task's LoRAs, embeddings and images. Custom embeddings override installed ones."""
        from models.adapters.lora_merge import Adapter
        from models.adapters.textual_inversion import inversion

        adapters = [Adapter(models.get(ModelRef(LORA, name)), *scales) for name, scales in self.loras.items()]
        checkpoint = models.get(self.checkpoint_ref)
        embeddings = [models.get(ModelRef(TEXTUAL_INVERSION, name)) for name in self.embeddings or ()]
        installed = [inversion for embedding in embeddings for inversion in embedding.inversions]
        own = [inversion(*each) for each in self.custom_embeddings.items()]
        inversions, tome = [*installed, *own], self.tome_info.tome if self.tome_info else None
        image_prompt = self.ip_adapter.prompt(self.checkpoint, models, images) if self.ip_adapter else None
        style = self.style_reference.style(images) if self.style_reference else None
        decoder = models.get(ModelRef(TINY_DECODER, base=self.checkpoint)) if self.decoder == "tiny" else None
        wishes = (adapters, inversions, tome, image_prompt, style, decoder)
        return checkpoint.adapted(*wishes) if any(wishes) else checkpoint


def _mentions(entry: ModelEntry, prompt: str) -> bool:
    return any_of([entry.name, *entry.aliases]).search(prompt) is not None
