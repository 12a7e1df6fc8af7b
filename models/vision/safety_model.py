"""Safety models: which class reads which files, and what all of them can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from models.catalog.entry import ModelEntry
from models.loading.folder_files import read_json
from models.vision import open_nsfw, safety_checker, safety_classifier

if TYPE_CHECKING:
    from models.vision.open_nsfw import OpenNsfw
    from models.vision.safety_checker import SafetyChecker
    from models.vision.safety_classifier import SafetyClassifier

CLASSIFIERS = "ForImageClassification"
"""How the classes of transformers end that are read as classifiers."""


class SafetyModel(Protocol):
    """What the audit needs of a loaded safety model."""

    def reasons(self, images: Sequence[np.ndarray]) -> list[str]:
        """Why each image, uint8 [h, w] or [h, w, 3 or 4], is unsafe; empty for a safe one. Raises SafetyError."""
        ...


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> SafetyChecker | SafetyClassifier | OpenNsfw:
    """Raises SafetyError for files that are no safety model."""
    if entry.path.suffix == ".onnx":
        return open_nsfw.load(entry, device, dtype)
    classes = read_json(entry.path / "config.json").get("architectures") or [""]
    if str(classes[0]).endswith(CLASSIFIERS):
        return safety_classifier.load(entry, device, dtype)
    return safety_checker.load(entry, device, dtype)
