"""The safety checker of Stable Diffusion: decides whether an image shows something unsafe.

It compares the CLIP embedding of an image (Radford et al., 2021) with those of seventeen concepts, by cosine
similarity, and reports each concept above its own threshold. Three more "special care" concepts lower these thresholds.
The meaning of the concepts was never published (Rando et al., "Red-Teaming the Stable Diffusion Safety Filter", 2022).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from torch import Tensor
from transformers import CLIPImageProcessor

from models.catalog.entry import ModelEntry
from models.files.weights_error import WeightsError
from models.loaded_model import TorchModel
from models.loading.nets import read_transformers_net, refused_by_name
from models.vision.safety_views import SafetyError, square_views

SPECIAL_CARE_ADJUSTMENT = 0.01
"""How much a special care concept lowers the thresholds of the others."""
DECIMALS = 3
"""The authors round a cosine minus its threshold to this many decimals, before they compare it with 0."""
BATCH_SIZE = 16
UNSAFE = "unsafe"


class SafetyChecker(TorchModel):
    """A loaded safety checker. Unlike that of diffusers it changes no images; the caller decides what to do."""

    def __init__(self, entry: ModelEntry, dtype: torch.dtype) -> None:
        """Raises SafetyError."""
        self._net = _read_net(entry, dtype)
        self._image_processor = _image_processor(entry, self._net.config.vision_config.image_size)
        super().__init__(entry, self._net)

    def reasons(self, images: Sequence[np.ndarray]) -> list[str]:
        """For each image: a label and the numbers of its unsafe concepts, as carefree-creator writes them; empty for a
        safe image. Raises SafetyError."""
        found = self.concepts(images)
        return [f"{UNSAFE}/concept {', '.join(map(str, concepts))}" if concepts else "" for concepts in found]

    @torch.inference_mode()
    def concepts(self, images: Sequence[np.ndarray]) -> list[list[int]]:
        """The indices of the unsafe concepts in each image, uint8 [h, w], or [h, w, 3 or 4].

        CLIP takes squares: any other image is checked in squares that cover it. An image with transparency is checked
        over white, and also without its alpha, because the file contains the hidden colours too. Raises SafetyError if
        the net returns no numbers.
        """
        views = [square_views(image) for image in images]
        flags = self._flags([view for each in views for view in each])
        return [each.any(0).nonzero().flatten().tolist() for each in torch.split(flags, [len(each) for each in views])]

    def _flags(self, views: Sequence[np.ndarray]) -> Tensor:
        """Whether each concept is above its threshold: bool [views, 17] on the CPU."""
        planes = [torch.from_numpy(view).to(self.device).permute(2, 0, 1) for view in views]
        batches = [planes[first : first + BATCH_SIZE] for first in range(0, len(planes), BATCH_SIZE)]
        inputs = (self._image_processor(images=batch, return_tensors="pt").pixel_values for batch in batches)
        scores = torch.cat([self.scores(each) for each in inputs]).cpu()
        if not scores.isfinite().all():
            raise SafetyError(f"safety model {self.name!r} returned NaN or infinity; check its weights")
        return scores > 0

    def scores(self, pixels: Tensor) -> Tensor:
        """Cosines minus thresholds, float32 [N, 17], of pixels [N, 3, size, size] that are normalised for CLIP."""
        net = self._net
        embeds = net.visual_projection(net.vision_model(pixels.to(net.device, net.dtype)).pooler_output)
        special = _margins(embeds, net.special_care_embeds, net.special_care_embeds_weights).round(decimals=DECIMALS)
        adjustment = SPECIAL_CARE_ADJUSTMENT * (special > 0).any(1, keepdim=True)
        return (_margins(embeds, net.concept_embeds, net.concept_embeds_weights) + adjustment).round(decimals=DECIMALS)


def _margins(embeds: Tensor, concepts: Tensor, thresholds: Tensor) -> Tensor:
    cosines = F.normalize(embeds.float()) @ F.normalize(concepts.float()).T
    return cosines - thresholds.float()


def _read_net(entry: ModelEntry, dtype: torch.dtype) -> StableDiffusionSafetyChecker:
    """Refuses a folder with missing weights: they would be random, and so would the decisions. Raises SafetyError."""
    try:
        return read_transformers_net(StableDiffusionSafetyChecker, entry.path, dtype)
    except WeightsError as error:
        raise SafetyError(
            f"{entry.path.name} cannot be read as a safety checker ({error}); give the folder `safety_checker` of a "
            "Stable Diffusion 1 model as diffusers saves it, with model.safetensors"
        ) from error


def _image_processor(entry: ModelEntry, size: int) -> CLIPImageProcessor:
    """That of the folder, else that of CLIP for images of `size` × `size`."""
    if (entry.path / "preprocessor_config.json").is_file():
        with refused_by_name(f"the image processor in {entry.path} cannot be read"):
            return CLIPImageProcessor.from_pretrained(entry.path, local_files_only=True)
    return CLIPImageProcessor(size={"shortest_edge": size}, crop_size={"height": size, "width": size})


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> SafetyChecker:
    """Raises SafetyError for a folder that is not a safety checker."""
    checker = SafetyChecker(entry, dtype)
    checker.to(device)
    return checker
