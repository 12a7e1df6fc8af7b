"""The parameter `ip_adapter`: an image as a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from models.kinds.ip_adapter import IP_ADAPTER
from models.kinds.kind import ModelRef
from pipelines.params.image_refs import ImageRef
from pipelines.params.patch import PatchParams

if TYPE_CHECKING:
    import numpy as np

    from models.adapters.ip_adapter import ImagePrompt, IPAdapter
    from pipelines.pipeline import Models

MAX_IMAGES = 8


class IPAdapterInfo(PatchParams):
    """Images that act as a prompt besides the text (IP-Adapter)."""

    url: ImageRef
    more_urls: tuple[ImageRef, ...] = Field(
        (), max_length=MAX_IMAGES - 1, fail_fast=True, description="Further images. The mean of all is the prompt."
    )
    model: str = Field(
        "",
        max_length=64,
        description="An IP-Adapter by name, as GET /v1/models lists them. Empty: one that fits the checkpoint.",
    )
    scale: float = Field(0.5, ge=0, le=1, description="How strongly the image acts. At 1 the text hardly matters.")

    def adapter_ref(self, checkpoint: str) -> ModelRef[IPAdapter]:
        """The IP-Adapter of this name, else the first one for the checkpoint."""
        return ModelRef(IP_ADAPTER, self.model) if self.model else ModelRef(IP_ADAPTER, base=checkpoint)

    def denoiser_patch(self, checkpoint: str, models: Models, images: Mapping[str, np.ndarray]) -> ImagePrompt:
        """The image prompt for a checkpoint. `images` holds the decoded inputs by path, such as `ip_adapter.url`."""
        from models.imaging.pixels import flatten_alpha

        adapter = models.get(self.adapter_ref(checkpoint))
        names = ["url", *(f"more_urls.{index}" for index in range(len(self.more_urls)))]
        pictures = [flatten_alpha(images[f"ip_adapter.{name}"])[0] for name in names]
        first, *others = (adapter.prompt(picture, self.scale) for picture in pictures)
        return first.averaged(others)
