import numpy as np

from tests.support.pictures import random_pixels


def halves(height: int, width: int) -> np.ndarray:
    """Black, but for the middle third across."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, width // 3 : width - width // 3] = 255
    return picture


def test_modes_fill_fit_and_cover(run_task) -> None:
    picture = halves(30, 60)
    result = {
        mode: run_task("cv.resize", {"url": picture}, w=30, h=30, mode=mode).images[0]
        for mode in ("fill", "fit", "cover")
    }
    assert {mode: image.shape for mode, image in result.items()} == {
        "fill": (30, 30, 3),
        "fit": (15, 30, 3),
        "cover": (30, 30, 3),
    }
    assert [round(float((image > 127).mean()), 1) for image in result.values()] == [0.3, 0.3, 0.7]


def test_each_filter_gives_another_result(run_task) -> None:
    filters = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
    result = [
        run_task("cv.resize", {"url": random_pixels(30, 30)}, w=20, h=17, resampling=name).images[0] for name in filters
    ]
    assert len({image.tobytes() for image in result}) == len(filters)
