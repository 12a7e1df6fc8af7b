import numpy as np

from models.imaging.histogram import matched


def test_a_picture_matches_itself_exactly() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    assert np.array_equal(matched(picture, picture, np.ones((40, 40), bool)), picture)


def test_levels_go_to_the_levels_of_the_model_in_order() -> None:
    picture = np.repeat(np.arange(4, dtype=np.uint8), 64).reshape(16, 16, 1)
    model = 50 * np.repeat(np.arange(1, 5, dtype=np.uint8), 16).reshape(8, 8, 1)
    made = matched(picture, model, np.ones((16, 16), bool))
    assert np.abs(made.astype(int) - 50 * (picture.astype(int) + 1)).max() <= 1
