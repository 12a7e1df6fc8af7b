"""Safety models that name what an image shows: image classifiers of transformers, some of whose labels are refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import AutoModelForImageClassification, ViTForImageClassification, ViTImageProcessor

from models.catalog.entry import ModelEntry
from models.files.weights_error import WeightsError
from models.loaded_model import TorchModel
from models.loading.nets import read_transformers_net, refused_by_name
from models.vision.safety_views import SafetyError, square_views

BATCH_SIZE = 16
REFUSED = ("nsfw", "porn", "hentai", "sexy", "unsafe")
"""Labels that are refused if the entry in models.yaml names none."""
THRESHOLD = 0.5


class SafetyClassifier(TorchModel):
    """A loaded classifier. An image is unsafe if a refused label has at least the probability `threshold`."""

    def __init__(self, entry: ModelEntry, dtype: torch.dtype) -> None:
        """Raises SafetyError."""
        self._net: ViTForImageClassification = _read_net(entry, dtype)
        with refused_by_name(f"the image processor in {entry.path} cannot be read"):
            self._image_processor = ViTImageProcessor.from_pretrained(entry.path, local_files_only=True)
        self._labels = [self._net.config.id2label[index] for index in range(self._net.config.num_labels)]
        self._refused = _refused_indices(entry, self._labels)
        self._threshold = THRESHOLD if entry.threshold is None else entry.threshold
        super().__init__(entry, self._net)

    @torch.inference_mode()
    def reasons(self, images: Sequence[np.ndarray]) -> list[str]:
        """For each image, uint8 [h, w] or [h, w, 3 or 4]: the most probable refused label, or nothing for a safe image.

        Any image but a square is checked in squares that cover it. Raises SafetyError.
        """
        views = [square_views(image) for image in images]
        scores = self._scores([view for each in views for view in each])
        return [self._reason(each.amax(0)) for each in torch.split(scores, [len(each) for each in views])]

    def _reason(self, scores: torch.Tensor) -> str:
        score, index = max((float(scores[index]), index) for index in self._refused)
        return self._labels[index] if score >= self._threshold else ""

    def _scores(self, views: Sequence[np.ndarray]) -> torch.Tensor:
        """The probability of each label: float32 [views, labels] on the CPU."""
        batches = [views[first : first + BATCH_SIZE] for first in range(0, len(views), BATCH_SIZE)]
        inputs = (self._image_processor(images=batch, return_tensors="pt").pixel_values for batch in batches)
        logits = torch.cat(
            [self._net(each.to(self._net.device, self._net.dtype)).logits.float().cpu() for each in inputs]
        )
        if not logits.isfinite().all():
            raise SafetyError(f"safety model {self.name!r} returned NaN or infinity; check its weights")
        return logits.softmax(1)


def _read_net(entry: ModelEntry, dtype: torch.dtype) -> ViTForImageClassification:
    try:
        return read_transformers_net(AutoModelForImageClassification, entry.path, dtype)
    except WeightsError as error:
        raise SafetyError(
            f"{entry.path.name} cannot be read as an image classifier ({error}); give the folder that save_pretrained "
            "writes for a ViTForImageClassification and for its image processor"
        ) from error


def _refused_indices(entry: ModelEntry, labels: Sequence[str]) -> list[int]:
    """Raises SafetyError if the net knows none of the labels: it would find every image safe."""
    names = {label.casefold(): index for index, label in enumerate(labels)}
    unknown = [label for label in entry.refuse_labels if label.casefold() not in names]
    refused = [names[label.casefold()] for label in entry.refuse_labels or REFUSED if label.casefold() in names]
    if unknown or not refused:
        raise SafetyError(
            f"safety model {entry.name!r} has no label {', '.join(unknown or REFUSED)}; it has {', '.join(labels)}: "
            "name those to refuse in `refuse_labels` of its entry in models.yaml"
        )
    return refused


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> SafetyClassifier:
    """Raises SafetyError for a folder that is no image classifier with labels to refuse."""
    classifier = SafetyClassifier(entry, dtype)
    classifier.to(device)
    return classifier
