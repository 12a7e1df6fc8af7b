"""What a request is to paint, and the tasks that paint it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.api.dialects.a1111.common_params import of_image

MAX_SAMPLES = 8
"""The most images of one task."""


@dataclass(frozen=True, slots=True)
class Painting:
    task_type: str
    params: Mapping[str, Any]
    """Of the first image."""
    pictures: tuple[str, ...] = ()
    """The pictures to start from; image i starts from picture i, and round again. Empty: from noise."""
    shows_maps: bool = True
    """Whether control maps are among the images of the answer."""

    def tasks(self, images: int) -> list[dict[str, Any]]:
        """The params of the tasks that paint this many images. The seed counts up from image to image."""
        alone = len(self.pictures) > 1 or bool(self.params.get("variation_strength"))
        most = 1 if alone else MAX_SAMPLES
        tasks = []
        for first in range(0, images, most):
            params = of_image(self.params, first) | {"num_samples": min(most, images - first)}
            if self.pictures:
                params["url"] = self.pictures[first % len(self.pictures)]
            tasks.append(params)
        return tasks
