"""A picture as a prompt, as tasks ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from models.catalog.catalog import IP_ADAPTER
from pipelines.params.image_refs import ImageRef

if TYPE_CHECKING:
    import numpy as np

    from models.adapters.ip_adapter import ImagePrompt
    from pipelines.pipeline import Models


class IPAdapterInfo(BaseModel):
    """A picture that is seen beside the text of the prompt (IP-Adapter)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: ImageRef
    model: str = Field(
        "", max_length=64, description="An IP-Adapter by name, as GET /v1/models lists them; empty: one that fits."
    )
    scale: float = Field(0.5, ge=0, le=1, description="How strongly the picture is felt; at 1 the text hardly matters.")

    def needed(self, checkpoint: str) -> str:
        """The name of the model that sees the picture for a checkpoint."""
        return checkpoint + IP_ADAPTER + self.model

    def prompt(self, checkpoint: str, models: Models, images: Mapping[str, np.ndarray]) -> ImagePrompt:
        from models.imaging.pixels import flattened

        adapter = models.ip_adapter(self.needed(checkpoint))
        return adapter.prompt(flattened(images["ip_adapter.url"])[0], self.scale)
