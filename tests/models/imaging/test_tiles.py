import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.imaging.tiles import Canvas, Tile, spans, tiles


@given(length=st.integers(1, 400), side=st.integers(4, 64), share=st.floats(0, 0.49))
def test_kept_parts_cover_the_length_once_and_lie_deep_enough(length: int, side: int, share: float) -> None:
    margin = min(int(side * share), (side - 1) // 2)
    cut = spans(length, side, margin)
    assert [span.first for span in cut] == [0, *(span.last for span in cut[:-1])]
    assert cut[-1].last == length
    assert {span.end - span.begin for span in cut} == {min(length, side)}
    for span in cut:
        assert 0 <= span.begin <= span.first < span.last <= span.end <= length
        assert span.begin == 0 or span.first - span.begin >= margin
        assert span.end == length or span.end - span.last >= margin


def test_tiles_paint_every_pixel_once() -> None:
    painted = np.zeros((70, 130), int)
    for tile in tiles(130, 70, side=32, margin=5):
        painted[tile.rows.first : tile.rows.last, tile.columns.first : tile.columns.last] += 1
    assert (painted == 1).all()


def test_a_picture_of_one_tile_is_not_cut() -> None:
    (tile,) = tiles(30, 20, side=32, margin=8)
    assert (tile.columns.begin, tile.columns.end, tile.rows.begin, tile.rows.end) == (0, 30, 0, 20)


def test_a_canvas_fades_from_tile_to_tile() -> None:
    left, right = spans(24, 16, 4)
    canvas = Canvas(24, 16, fade=8)
    for span, level in ((left, 0), (right, 90)):
        canvas.lay(Tile(spans(16, 16, 4)[0], span), np.full((16, 16, 3), level, np.uint8))
    row = canvas.pixels[8, :, 0].astype(int)
    assert row[:8].tolist() == [0] * 8
    assert row[16:].tolist() == [90] * 8
    assert np.diff(row).min() >= 0
    assert np.diff(row).max() <= 10
