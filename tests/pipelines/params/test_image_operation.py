import pytest
from pydantic import TypeAdapter, ValidationError

from pipelines.params.image_operation import ImageOperationParams, LtRb


def test_box_coordinates_may_be_outside_the_picture_but_not_anywhere() -> None:
    box = TypeAdapter(LtRb)
    assert box.validate_python([-8192, 0, 8192, 10]) == (-8192, 0, 8192, 10)
    for wrong in ([-8193, 0, 1, 1], [0, 0, 1]):
        with pytest.raises(ValidationError):
            box.validate_python(wrong)


def test_pixels_default_to_a_small_picture() -> None:
    assert ImageOperationParams().pixels == 512 * 512
