from __future__ import annotations

import numpy as np
import pytest

from models.kinds.annotator import ANNOTATOR
from models.kinds.controlnet import CONTROLNET
from models.kinds.kind import ModelRef
from pipelines.params.limits import SizeMismatchError
from pipelines.recipes.control_guidance import (
    annotator_models,
    control_models,
    refuse_different_shape,
)
from tests.support.control_specs import EDGES, NoModels, spec


def test_annotator_is_needed_only_for_maps_that_a_network_draws() -> None:
    assert annotator_models("canny") == annotator_models(None) == ()
    assert annotator_models("depth") == (ModelRef(ANNOTATOR, "depth"),)


def test_control_models_name_each_model_once() -> None:
    specs = [spec(hint="depth", annotator="depth"), spec(hint="depth", annotator="depth"), spec()]
    assert control_models("toy", specs) == (
        ModelRef(CONTROLNET, "depth", base="toy"),
        ModelRef(ANNOTATOR, "depth"),
        ModelRef(CONTROLNET, "canny", base="toy"),
    )


def test_binarize_threshold_makes_the_map_black_and_white() -> None:
    drawn = spec(binarize_threshold=100).draw(NoModels(), {"url": EDGES})
    assert set(np.unique(drawn)) == {0, 255}


def test_map_of_another_aspect_ratio_is_refused() -> None:
    refuse_different_shape("hint_url", EDGES, (480, 320))
    with pytest.raises(SizeMismatchError, match="hint_url is 48×32, but the picture is 48×48"):
        refuse_different_shape("hint_url", EDGES, (48, 48))
