import numpy as np
import pytest
from pydantic import ValidationError

import pipelines

BOXES = [[2, 3, 5, 9], [-4, 8, 100, 100]]


def test_one_mask_per_box_or_one_for_all(run_task) -> None:
    first, second = run_task("cv.generate_masks", w=20, h=10, lt_rb_list=BOXES).images
    assert (first[3:9, 2:5] == 255).all()
    assert (first > 0).sum() == 3 * 18
    assert (second > 0).sum() == 3 * 40
    (merged,) = run_task("cv.generate_masks", w=20, h=10, lt_rb_list=BOXES, merge=True).images
    assert np.array_equal(merged, np.maximum(first, second))


def test_too_many_pixels_are_refused(run_task) -> None:
    boxes = [[0, 0, 9, 9]] * 17
    with pytest.raises(
        ValidationError, match="17 masks of 2048×2048 have more than 67108864 pixels together; set merge"
    ):
        run_task("cv.generate_masks", w=2048, h=2048, lt_rb_list=boxes)
    params = pipelines.find("cv.generate_masks").Params(w=2048, h=2048, lt_rb_list=boxes, merge=True)
    assert pipelines.find("cv.generate_masks").work(params).pixels == 2048 * 2048
