import numpy as np


def test_edges_soften_and_the_mean_stays(make) -> None:
    step = np.zeros((32, 64, 3), np.uint8)
    step[:, 32:] = 200
    (made,) = make("cv.blur", {"url": step}, radius=4).images
    assert 0 < made[16, 31, 0] < made[16, 32, 0] < 200
    assert abs(int(made.mean()) - 100) < 2
    assert np.array_equal(make("cv.blur", {"url": step}, radius=0).images[0], step)


def test_colours_that_are_not_seen_do_not_bleed(make) -> None:
    picture = np.zeros((16, 32, 4), np.uint8)
    picture[:, :16] = (255, 0, 0, 255)
    picture[:, 16:, 1] = 255  # green, but transparent
    (made,) = make("cv.blur", {"url": picture}).images
    seen = made[made[:, :, 3] > 8]
    assert (seen[:, 1] < 8).all()
    assert made.shape == picture.shape
