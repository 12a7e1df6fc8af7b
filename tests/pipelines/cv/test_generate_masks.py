import numpy as np
import pytest
from pydantic import ValidationError

import pipelines

BOXES = [[2, 3, 5, 9], [-4, 8, 100, 100]]


def test_a_mask_for_each_box_or_one_for_all(make) -> None:
    one, other = make("cv.generate_masks", w=20, h=10, lt_rb_list=BOXES).images
    assert (one[3:9, 2:5] == 255).all()
    assert (one > 0).sum() == 3 * 18
    assert (other > 0).sum() == 3 * 40
    (merged,) = make("cv.generate_masks", w=20, h=10, lt_rb_list=BOXES, merge=True).images
    assert np.array_equal(merged, np.maximum(one, other))


def test_more_pixels_than_there_is_room_for_are_refused(make) -> None:
    boxes = [[0, 0, 9, 9]] * 17
    with pytest.raises(ValidationError, match="17 masks of 2048×2048 have more than 67108864 pixels together; merge"):
        make("cv.generate_masks", w=2048, h=2048, lt_rb_list=boxes)
    asked = pipelines.find("cv.generate_masks").Params(w=2048, h=2048, lt_rb_list=boxes, merge=True)
    assert pipelines.find("cv.generate_masks").work(asked).pixels == 2048 * 2048
