"""Whether a picture shows what it should not: the safety checker of Stable Diffusion.

It compares what CLIP sees in a picture (Radford et al., 2021) with seventeen concepts, by the cosine of two vectors,
and minds each that is above a threshold of its own. Three more concepts, of special care, lower those thresholds. What
the concepts are was never published (Rando et al., "Red-Teaming the Stable Diffusion Safety Filter", 2022).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from torch import Tensor
from transformers import CLIPImageProcessor
from transformers.utils import logging as transformers_logging

from models.catalog.entry import ModelEntry
from models.imaging.pixels import broadened, flattened

LOWERED = 0.01
"""By how much a concept of special care lowers the thresholds of the others."""
DECIMALS = 3
"""To which the authors round a cosine's distance from its threshold, before they ask whether it is above 0."""
ROWS = 16
"""Looked at in one forward pass."""
LONGEST = 8
"""How much longer than wide a picture may be; one that is still thinner is widened to that, to be looked at."""


class SafetyError(Exception):
    """A folder holds no safety checker, or one that cannot judge; the message says what to give instead."""


class Safety:
    """A loaded safety checker. Only its verdict is used: what becomes of a picture is not for it to say."""

    def __init__(self, entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> None:
        """Raises SafetyError."""
        self.name = entry.name
        self.family: str = entry.family
        self.device = device
        self._net = _net(entry, dtype).to(device).eval().requires_grad_(False)
        self._look = _look(entry, self._net.config.vision_config.image_size)

    @property
    def bytes(self) -> int:
        """What the weights take, wherever they are."""
        return sum(tensor.nbytes for tensor in (*self._net.parameters(), *self._net.buffers()))

    def to(self, device: torch.device) -> None:
        self._net.to(device)
        self.device = device

    @torch.inference_mode()
    def concepts(self, pictures: Sequence[np.ndarray]) -> list[list[int]]:
        """The numbers of the concepts that it minds in each picture, uint8 [h, w], or [h, w, 3 or 4].

        CLIP sees a square: one that is not is looked at in squares that cover it. One with transparency is looked at
        over white, and as it is beneath, for a file holds that too. Raises SafetyError if the net answers no numbers.
        """
        views = [_views(picture) for picture in pictures]
        minded = self._minded([view for each in views for view in each])
        found, taken = [], 0
        for each in views:
            found.append(minded[taken : taken + len(each)].any(0).nonzero().flatten().tolist())
            taken += len(each)
        return found

    def _minded(self, views: Sequence[np.ndarray]) -> Tensor:
        """Whether it minds each concept [views, 17], on the CPU."""
        planes = [torch.from_numpy(view).to(self.device).permute(2, 0, 1) for view in views]
        parts = [planes[first : first + ROWS] for first in range(0, len(planes), ROWS)]
        looks = (self._look(images=part, return_tensors="pt").pixel_values for part in parts)
        scores = torch.cat([self.scores(look) for look in looks]).cpu()
        if not scores.isfinite().all():
            raise SafetyError(f"safety model {self.name!r} answered no number; see that its weights are whole")
        return scores > 0

    def scores(self, pixels: Tensor) -> Tensor:
        """How far above its threshold each concept is [N, 17], in float32, of pixels [N, 3, side, side] on CLIP's
        scale."""
        net = self._net
        seen = net.visual_projection(net.vision_model(pixels.to(net.device, net.dtype)).pooler_output)
        special = _above(seen, net.special_care_embeds, net.special_care_embeds_weights).round(decimals=DECIMALS)
        lowered = LOWERED * (special > 0).any(1, keepdim=True)
        return (_above(seen, net.concept_embeds, net.concept_embeds_weights) + lowered).round(decimals=DECIMALS)


def _above(seen: Tensor, concepts: Tensor, thresholds: Tensor) -> Tensor:
    cosines = F.normalize(seen.float()) @ F.normalize(concepts.float()).T
    return cosines - thresholds.float()


def _views(picture: np.ndarray) -> list[np.ndarray]:
    """All that is to be seen in a picture, as RGB squares."""
    if picture.ndim == 2:
        picture = np.dstack([picture] * 3)
    shown, alpha = flattened(picture)
    return [*_squares(shown), *(() if alpha is None else _squares(picture[:, :, :3]))]


def _squares(pixels: np.ndarray) -> list[np.ndarray]:
    """As few squares of the shorter side as cover the picture, at even distances."""
    pixels = broadened(pixels, LONGEST)
    height, width = pixels.shape[:2]
    side, longer, axis = min(height, width), max(height, width), int(width > height)
    starts = np.linspace(0, longer - side, -(-longer // side)).round().astype(int)
    squares = [pixels.take(range(start, start + side), axis) for start in starts]
    return [np.ascontiguousarray(square) for square in squares]


def _net(entry: ModelEntry, dtype: torch.dtype) -> StableDiffusionSafetyChecker:
    """A weight that its folder lacks would be one of chance, and its verdict too."""
    transformers_logging.disable_progress_bar()
    try:
        net, told = StableDiffusionSafetyChecker.from_pretrained(
            entry.path, dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise _misfit(entry, " ".join(str(error).split())[:200]) from error
    if lacking := sorted({*told["missing_keys"], *(key for key, *_ in told["mismatched_keys"])}):
        raise _misfit(entry, f"it lacks {lacking[0]}")
    return net


def _look(entry: ModelEntry, side: int) -> CLIPImageProcessor:
    """How a picture is prepared: as the folder says, else as CLIP does."""
    if (entry.path / "preprocessor_config.json").is_file():
        return CLIPImageProcessor.from_pretrained(entry.path, local_files_only=True)
    return CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side})


def _misfit(entry: ModelEntry, what: str) -> SafetyError:
    return SafetyError(
        f"{entry.path.name} cannot be read as a safety checker ({what}); give the folder `safety_checker` of a Stable "
        "Diffusion 1 model as diffusers saves it, with model.safetensors"
    )


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Safety:
    """Raises SafetyError for a folder that holds no safety checker."""
    return Safety(entry, device, dtype)
