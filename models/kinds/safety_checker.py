"""Safety checkers decide whether an image may be returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.kinds.kind import ModelFamily, ModelKind
from models.kinds.layout import PretrainedFolderOrOnnx

if TYPE_CHECKING:
    from models.vision.safety_model import SafetyModel

SAFETY_CHECKER: ModelKind[SafetyModel] = ModelKind("safety checker", "judge an image", named_by_callers=True)
FAMILY = ModelFamily(
    name="safety",
    kind=SAFETY_CHECKER,
    loader="models.vision.safety_model:load",
    layout=PretrainedFolderOrOnnx(),
    folder_classes=frozenset({"StableDiffusionSafetyChecker", "ViTForImageClassification"}),
)
