"""What the tests of control maps share: a picture of one edge, and specs of maps that need no annotator."""

from typing import Any

import numpy as np

from models.kinds.kind import AnyModelRef
from pipelines.params.control import AnnotatorParams
from pipelines.recipes.control_guidance import ControlSpec

EDGES = np.zeros((32, 48, 3), np.uint8)
EDGES[8:, :] = 200


class NoModels:
    """Returns the reference itself for a model."""

    def get(self, ref: AnyModelRef) -> Any:
        return ref


def spec(**changes: Any) -> ControlSpec:
    values = {"hint": "canny", "image": "url", "annotator": None, "annotator_params": AnnotatorParams()}
    return ControlSpec(**values | changes)
