import numpy as np

from models.imaging.histogram import match_histogram


def test_match_with_itself_changes_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    assert np.array_equal(match_histogram(image, image, np.ones((40, 40), bool)), image)


def test_match_maps_levels_to_those_of_the_reference_in_order() -> None:
    image = np.repeat(np.arange(4, dtype=np.uint8), 64).reshape(16, 16, 1)
    reference = 50 * np.repeat(np.arange(1, 5, dtype=np.uint8), 16).reshape(8, 8, 1)
    result = match_histogram(image, reference, np.ones((16, 16), bool))
    assert np.abs(result.astype(int) - 50 * (image.astype(int) + 1)).max() <= 1
