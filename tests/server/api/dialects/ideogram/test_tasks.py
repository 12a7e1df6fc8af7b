import pytest

import pipelines
from server.api.dialects.ideogram import tasks
from server.tasks.input_images import Upload

PARAMS = {"text": "x", "num_samples": 2, "seed": 5, "num_steps": 20, "negative_prompt": "", "model": "toy"}
MASK = Upload("file-" + "1" * 32, 96, 64)


def picture(width: int = 96, height: int = 64) -> Upload:
    return Upload("file-" + "0" * 32, width, height)


def checked(painting):
    """The params as the task type understands them."""
    return pipelines.find(painting.task_type).Params.model_validate(painting.params)


@pytest.mark.parametrize(("weight", "fidelity"), [(1, 0.01), (50, 0.5), (95, 0.95), (100, 0.95)])
def test_picture_is_followed_by_its_weight(weight, fidelity):
    params = checked(tasks.remix(PARAMS, picture(), (1536, 512), weight))
    assert (params.fidelity, params.wh, params.resize_mode, params.max_wh) == (fidelity, (1536, 512), "cover", 1536)


@pytest.mark.parametrize(("side", "longest"), [(96, 1024), (1200, 1200), (4000, 1536)])
def test_edit_is_painted_at_the_size_of_the_picture(side, longest):
    params = checked(tasks.edit(PARAMS, picture(side), MASK))
    assert (params.max_wh, params.mask_url, params.keep_original) == (longest, MASK.id, True)


@pytest.mark.parametrize(
    ("size", "inner", "padding"),
    [
        ((96, 64), (192, 128), (0, 0, 32, 32)),
        ((64, 96), (128, 192), (32, 32, 0, 0)),
        ((150, 100), (192, 128), (0, 0, 32, 32)),
        ((1, 192), (1, 192), (95, 96, 0, 0)),
    ],
)
def test_whole_picture_is_in_the_middle_of_the_frame(size, inner, padding):
    params = checked(tasks.reframe(PARAMS, picture(*size), (192, 192), describes=True))
    assert list(params.by_key) == ["fitted", "paint"]
    frame, fitted = params.provisional["paint"], params.provisional["fitted"]
    assert (fitted.w, fitted.h) == inner
    assert (frame.left, frame.right, frame.top, frame.bottom) == padding
    assert frame.inpainting_target_wh == (192, 192)


def test_captioner_writes_the_prompt_that_is_missing():
    params = checked(tasks.reframe({**PARAMS, "text": ""}, picture(), (192, 192), describes=True))
    assert dict(params.by_key["paint"].sources).keys() == {"fitted", "caption"}
    params = checked(tasks.reframe({**PARAMS, "text": ""}, picture(), (192, 192)))
    assert params.provisional["paint"].text == ""


def test_picture_of_the_shape_of_the_frame_is_resized():
    painting = tasks.reframe(PARAMS, picture(96, 96), (192, 192))
    assert (painting.task_type, checked(painting).w) == ("cv.resize", 192)


def test_background_is_what_is_not_the_object():
    params = checked(tasks.replace_background(PARAMS, picture()))
    assert params.provisional["mask"].output == "alpha"
    paint = params.provisional["paint"]
    assert (paint.inpainting_mask_invert, paint.keep_original, paint.num_samples) == (True, True, 2)


@pytest.mark.parametrize(("scale", "keys"), [(1, ["cut_out_0"]), (4, ["enlarge_0", "cut_out_0"])])
def test_each_transparent_image_is_enlarged_and_cut_out(scale, keys):
    nodes = checked(tasks.generate_transparent(PARAMS, (1024, 1024), scale)).by_key
    assert list(nodes)[: 1 + len(keys)] == ["paint", *keys]
    assert len(nodes) == 1 + 2 * len(keys)
