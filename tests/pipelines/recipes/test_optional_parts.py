from __future__ import annotations

import pytest
from pydantic import ValidationError

from pipelines.recipes.optional_parts import OptionalPartsParams


def test_parts_that_are_left_out_are_in_the_answer() -> None:
    params = OptionalPartsParams.model_validate({"left_out": ["caption"]})
    assert params.leaves_out("caption")
    assert not params.leaves_out("control")
    assert params.answer == {"left_out": ["caption"]}


def test_list_of_parts_is_bounded() -> None:
    with pytest.raises(ValidationError):
        OptionalPartsParams.model_validate({"left_out": ["x"] * 17})
