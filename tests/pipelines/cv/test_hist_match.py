import numpy as np

from tests.support.pictures import random_pixels


def dark() -> np.ndarray:
    return (random_pixels(40, 40) // 4).astype(np.uint8)


def test_result_has_the_colours_of_the_background(run_task) -> None:
    bright = 150 + random_pixels(30, 20, seed=1) // 3
    for use_hsv in (False, True):
        (result,) = run_task("cv.hist_match", {"url": dark(), "bg_url": bright}, use_hsv=use_hsv).images
        assert result.shape == dark().shape
        assert np.abs(result.mean(axis=(0, 1)) - bright.mean(axis=(0, 1))).max() < 12
    quantiles = np.linspace(0.05, 0.95, 10)
    (result,) = run_task("cv.hist_match", {"url": dark(), "bg_url": bright}).images
    assert np.abs(np.quantile(result[:, :, 0], quantiles) - np.quantile(bright[:, :, 0], quantiles)).max() < 5


def test_strength_blends_between_none_and_full_match(run_task) -> None:
    images = {"url": dark(), "bg_url": random_pixels(40, 40, seed=1)}
    none, half, whole = (run_task("cv.hist_match", images, strength=strength).images[0] for strength in (0, 0.5, 1))
    assert np.array_equal(none, dark())
    assert np.abs(half.astype(int) - (none.astype(int) + whole) / 2).max() <= 1


def test_transparent_parts_show_the_background_and_are_not_matched(run_task) -> None:
    picture, background = np.dstack([dark(), np.full((40, 40), 255, np.uint8)]), random_pixels(40, 40, seed=1)
    picture[:, 20:, 3] = 0
    (result,) = run_task("cv.hist_match", {"url": picture, "bg_url": background}).images
    assert np.array_equal(result[:, 20:], background[:, 20:])
    (left,) = run_task("cv.hist_match", {"url": dark()[:, :20], "bg_url": background}).images
    assert np.array_equal(result[:, :20], left)
