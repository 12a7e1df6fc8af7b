import numpy as np
import pytest
from PIL import Image

from models.imaging.affine import FlatMatrixError, LargeMatrixError, Matrix, warp


def gradient(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.dstack([columns * 255 // width, rows * 255 // height, rows * 0]).astype(np.uint8)


def test_warp_scales_by_the_resampling_filter() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    result = warp(image, Matrix(0.5, 0, 0, 0.25, 0, 0), 30, 10, "lanczos")
    assert np.array_equal(result, np.asarray(Image.fromarray(image).resize((30, 10), Image.Resampling.LANCZOS)))


@pytest.mark.parametrize("angle", [0.3, 2.0, -1.1])
@pytest.mark.parametrize(("scale", "flip"), [(0.6, 1), (1.7, -1)])
def test_warp_moves_points_by_the_matrix(angle: float, scale: float, flip: int) -> None:
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    matrix = Matrix(cosine, sine, -sine * flip, cosine * flip, 150, 150)
    result = warp(gradient(60, 80), matrix, 300, 300, "bilinear").astype(int)
    for x, y in [(20, 20), (60, 15), (40, 45)]:
        column = int(matrix.a * x + matrix.c * y + matrix.e)
        row = int(matrix.b * x + matrix.d * y + matrix.f)
        assert abs(result[row, column, 0] - x * 255 / 80) < 8
        assert abs(result[row, column, 1] - y * 255 / 60) < 8


def test_warp_refuses_flat_and_huge_matrices() -> None:
    with pytest.raises(FlatMatrixError, match="maps the image onto a line"):
        warp(gradient(8, 8), Matrix(1, 2, 2, 4, 0, 0), 8, 8, "box")
    with pytest.raises(LargeMatrixError, match="an image of 8×8 to 80×16; a side may have 64 pixels"):
        warp(gradient(8, 8), Matrix(10, 0, 0, 2, 0, 0), 8, 8, "box", longest=64)
