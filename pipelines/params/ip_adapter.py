"""The parameter `ip_adapter`: an image as a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from models.kinds.faces import FACE
from models.kinds.ip_adapter import IP_ADAPTER
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.params.image_refs import ImageRef
from pipelines.params.limits import NoFaceError
from pipelines.params.patch import PatchParams

if TYPE_CHECKING:
    import numpy as np

    from models.adapters.ip_adapter import ImagePrompt, IPAdapter
    from pipelines.pipeline import Models

MAX_IMAGES = 8
DETECTOR = ModelRef(FACE, "face")
FACE_SCALE = 1.5
"""Side of the crop of a face, in longer sides of the face."""


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

    faces: int = Field(
        0,
        ge=0,
        le=5,
        description="Follow only the faces in each image, at most this many of the largest ones. Needs a model of "
        "family `face`. 0: follow the images as a whole.",
    )

    def models(self, checkpoint: str) -> tuple[AnyModelRef, ...]:
        """The models that it needs."""
        return (self.adapter_ref(checkpoint), *((DETECTOR,) if self.faces else ()))

    def adapter_ref(self, checkpoint: str) -> ModelRef[IPAdapter]:
        """The IP-Adapter of this name, else the first one for the checkpoint."""
        return ModelRef(IP_ADAPTER, self.model) if self.model else ModelRef(IP_ADAPTER, base=checkpoint)

    def denoiser_patch(self, checkpoint: str, models: Models, images: Mapping[str, np.ndarray]) -> ImagePrompt:
        """The image prompt for a checkpoint. `images` holds the decoded inputs by path, such as `ip_adapter.url`."""
        from models.imaging.pixels import flatten_alpha

        adapter = models.get(self.adapter_ref(checkpoint))
        names = ["url", *(f"more_urls.{index}" for index in range(len(self.more_urls)))]
        whole = {name: flatten_alpha(images[f"ip_adapter.{name}"])[0] for name in names}
        pictures = [crop for name, pixels in whole.items() for crop in self._shown(name, pixels, models)]
        first, *others = (adapter.prompt(picture, self.scale) for picture in pictures)
        return first.averaged(others)

    def _shown(self, name: str, pixels: np.ndarray, models: Models) -> list[np.ndarray]:
        """What is followed of an image: all of it, or its faces. Raises NoFaceError."""
        from models.imaging.face_crops import crop_square

        if not self.faces:
            return [pixels]
        found = models.get(DETECTOR).find(pixels)[: self.faces]
        if not found:
            raise NoFaceError(f"ip_adapter.{name}")
        return [crop_square(pixels, face.square(FACE_SCALE)) for face in found]
