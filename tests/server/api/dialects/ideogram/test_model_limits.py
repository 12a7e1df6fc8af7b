from typing import get_args

import pytest
from pydantic import ValidationError

from server.api.dialects.ideogram.model_limits import LegacyModel
from server.api.dialects.ideogram.request_legacy import EditLegacyRequest, GenerateLegacyRequest

V1, V2, V2A, V3 = ["V_1", "V_1_TURBO"], ["V_2", "V_2_TURBO"], ["V_2A", "V_2A_TURBO"], ["V_3"]
FIELDS = [
    ("negative_prompt", "blurry", V1 + V2),
    ("resolution", "RESOLUTION_1024_1024", V2),
    ("style_type", "ANIME", V2 + V2A + V3),
    ("color_palette", {"name": "EMBER"}, V2 + V3),
    ("aspect_ratio", "ASPECT_3_2", V1 + V2 + V2A + V3),
    ("magic_prompt_option", "OFF", V1 + V2 + V2A + V3),
]


@pytest.mark.parametrize("model", get_args(LegacyModel))
@pytest.mark.parametrize(("name", "value", "models"), FIELDS)
def test_field_is_taken_by_the_models_that_have_it(model, name, value, models):
    fields = {"prompt": "x", "model": model, name: value}
    if model in (*models, "AUTO"):
        GenerateLegacyRequest.model_validate(fields)
    else:
        with pytest.raises(ValidationError, match=f"{name} is not for model {model}; .* {models[0]}"):
            GenerateLegacyRequest.model_validate(fields)


@pytest.mark.parametrize("model", V1)
def test_values_that_mean_not_set_are_taken_by_all_models(model):
    GenerateLegacyRequest(prompt="x", model=model, style_type="AUTO", negative_prompt="", color_palette=None)


@pytest.mark.parametrize("model", get_args(LegacyModel))
def test_edit_is_for_two_models(model):
    if model in V2:
        EditLegacyRequest(prompt="x", model=model)
    else:
        with pytest.raises(ValidationError, match="V_2"):
            EditLegacyRequest.model_validate({"prompt": "x", "model": model})
