"""The parameter `style_reference`: an image whose style and colours are copied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.params.image_refs import OptionalImage
from pipelines.params.patch import PatchParams

if TYPE_CHECKING:
    import numpy as np

    from models.patches.reference_attention import ReferenceStyle
    from pipelines.pipeline import Models


class StyleReference(PatchParams):
    """An image whose style and colours the denoiser copies through its self-attention (reference-only)."""

    url: OptionalImage = Field(None, description="The image. null: no style reference.")
    style_fidelity: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Higher: the negative prompt uses the image less, so that guidance strengthens its style.",
    )
    reference_weight: float = Field(
        1.0,
        ge=0,
        le=1,
        description="The fraction of the denoiser's attention layers that use the image, the widest first. 0: none.",
    )

    def denoiser_patch(
        self, checkpoint: str, models: Models, images: Mapping[str, np.ndarray]
    ) -> ReferenceStyle | None:
        from models.imaging.pixels import flatten_alpha
        from models.patches.reference_attention import ReferenceStyle

        if self.url is None or not self.reference_weight:
            return None
        return ReferenceStyle(
            flatten_alpha(images["style_reference.url"])[0], self.style_fidelity, self.reference_weight
        )
