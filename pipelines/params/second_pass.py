"""Parameters of a task that may refine what it paints in a second pass at a larger size ("hires fix")."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Self

from pydantic import Field, ValidationError, model_validator

from models.catalog.entry import ModelEntry
from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.upscaler import UPSCALER
from models.pydantic_errors import first_sentence
from pipelines.params.high_res import HighRes
from pipelines.params.image import ImageParams


class SecondPassParams(ImageParams):
    """Parameters of a task that may have a second pass."""

    highres_info: HighRes | None = Field(None, description="Enlarge and refine the image in a second pass.")

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if self.highres_info is not None and max(self.size) > self.highres_info.max_wh:
            raise ValueError(
                f"highres_info would make {self.size[0]}×{self.size[1]}, above its max_wh {self.highres_info.max_wh}; "
                "lower upscale_factor, or raise max_wh in highres_info"
            )
        return self

    @model_validator(mode="after")
    def _check_second_pass(self) -> Self:
        if self.highres_info is None:
            return self
        try:
            second = self.second_pass
        except ValidationError as error:
            raise ValueError(f"highres_info: {first_sentence(error)}") from error
        self.highres_info.refuse_too_many_steps(second.num_steps, second.sampler)
        return self

    @property
    @abstractmethod
    def first_size(self) -> tuple[int, int]:
        """Width and height of the first pass."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the finished images."""
        return self.first_size if self.highres_info is None else self.highres_info.size(*self.first_size)

    @property
    def second_pass(self) -> Self:
        """The parameters of the second pass. Raises ValidationError."""
        own = self.highres_info.own if self.highres_info else {}
        if not own:
            return self
        return self.model_validate(self.model_dump(exclude_unset=True, exclude={"highres_info"}) | own)

    @property
    def extra_models(self) -> tuple[AnyModelRef, ...]:
        extra, highres = super().extra_models, self.highres_info
        if highres is not None and highres.model is not None:
            second = self.second_pass
            extra = tuple(dict.fromkeys((*extra, second.checkpoint_ref, *second.extra_models)))
        return (*extra, *((ModelRef(UPSCALER, highres.upscaler),) if highres and highres.upscaler else ()))

    def with_checkpoints(self, names: Sequence[str]) -> Self:
        if self.highres_info is None or self.highres_info.model is None:
            return self
        return self.model_copy(update={"highres_info": self.highres_info.model_copy(update={"model": names[-1]})})

    def with_mentioned_embeddings(self, embeddings: Sequence[ModelEntry]) -> Self:
        """Those of the second pass, too."""
        params, highres = super().with_mentioned_embeddings(embeddings), self.highres_info
        if highres is None or self.embeddings is not None or (highres.text is highres.negative_prompt is None):
            return params
        second = self.second_pass.with_mentioned_embeddings(embeddings)
        negative = None if highres.negative_prompt is None else second.negative_prompt
        return params.model_copy(
            update={
                "embeddings": tuple(dict.fromkeys((*(params.embeddings or ()), *(second.embeddings or ())))),
                "highres_info": highres.model_copy(update={"negative_prompt": negative}),
            }
        )
