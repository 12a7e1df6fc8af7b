import numpy as np


def test_blur_softens_edges_and_keeps_the_mean(run_task) -> None:
    step = np.zeros((32, 64, 3), np.uint8)
    step[:, 32:] = 200
    (result,) = run_task("cv.blur", {"url": step}, radius=4).images
    assert 0 < result[16, 31, 0] < result[16, 32, 0] < 200
    assert abs(int(result.mean()) - 100) < 2
    assert np.array_equal(run_task("cv.blur", {"url": step}, radius=0).images[0], step)


def test_blur_ignores_colours_of_transparent_pixels(run_task) -> None:
    picture = np.zeros((16, 32, 4), np.uint8)
    picture[:, :16] = (255, 0, 0, 255)
    picture[:, 16:, 1] = 255  # green, but transparent
    (result,) = run_task("cv.blur", {"url": picture}).images
    visible = result[result[:, :, 3] > 8]
    assert (visible[:, 1] < 8).all()
    assert result.shape == picture.shape
