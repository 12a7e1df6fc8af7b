"""The contract of parameters that ask for a change to the denoiser (`DenoiserPatch`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import numpy as np

    from models.patches.patch import DenoiserPatch
    from pipelines.pipeline import Models


class PatchParams(BaseModel, ABC):
    """A group of parameters for one patch. As a field of a task's Params it needs no further code to take effect."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @abstractmethod
    def denoiser_patch(self, checkpoint: str, models: Models, images: Mapping[str, np.ndarray]) -> DenoiserPatch | None:
        """The patch for the checkpoint of this name; None if these values change nothing.

        `models` are resident. `images` holds the decoded uint8 inputs [height, width, 3 or 4], by path.
        """
