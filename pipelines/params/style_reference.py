"""Parameters of a style reference: a picture whose manner and colours the image takes over."""

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
    """A picture that the denoiser looks at while it paints, and takes manner and colours from (reference-only)."""

    url: OptionalImage = Field(None, description="The picture; none: no reference.")
    style_fidelity: float = Field(
        0.5, ge=0, le=1, description="Higher: the picture counts for the prompt alone, and guidance brings it out more."
    )
    reference_weight: float = Field(
        1.0, ge=0, le=1, description="In how many of the denoiser's layers it is looked at, the widest first; 0: none."
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
