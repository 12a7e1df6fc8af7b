import numpy as np

from tests.pipelines.cv.conftest import noise


def dark() -> np.ndarray:
    return (noise(40, 40) // 4).astype(np.uint8)


def test_it_gets_the_colours_of_the_other(make) -> None:
    bright = 150 + noise(30, 20, seed=1) // 3
    for use_hsv in (False, True):
        (made,) = make("cv.hist_match", {"url": dark(), "bg_url": bright}, use_hsv=use_hsv).images
        assert made.shape == dark().shape
        assert np.abs(made.mean(axis=(0, 1)) - bright.mean(axis=(0, 1))).max() < 12
    quantiles = np.linspace(0.05, 0.95, 10)
    (made,) = make("cv.hist_match", {"url": dark(), "bg_url": bright}).images
    assert np.abs(np.quantile(made[:, :, 0], quantiles) - np.quantile(bright[:, :, 0], quantiles)).max() < 5


def test_strength_goes_from_nothing_to_all(make) -> None:
    images = {"url": dark(), "bg_url": noise(40, 40, seed=1)}
    none, half, whole = (make("cv.hist_match", images, strength=strength).images[0] for strength in (0, 0.5, 1))
    assert np.array_equal(none, dark())
    assert np.abs(half.astype(int) - (none.astype(int) + whole) / 2).max() <= 1


def test_where_it_is_transparent_the_other_shows_and_counts_for_nothing(make) -> None:
    picture, ground = np.dstack([dark(), np.full((40, 40), 255, np.uint8)]), noise(40, 40, seed=1)
    picture[:, 20:, 3] = 0
    (made,) = make("cv.hist_match", {"url": picture, "bg_url": ground}).images
    assert np.array_equal(made[:, 20:], ground[:, 20:])
    (left,) = make("cv.hist_match", {"url": dark()[:, :20], "bg_url": ground}).images
    assert np.array_equal(made[:, :20], left)
