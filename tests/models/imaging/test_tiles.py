import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.imaging.tiles import Canvas, Tile, split_spans, split_tiles


@given(length=st.integers(1, 400), span_length=st.integers(4, 64), margin_ratio=st.floats(0, 0.49))
def test_split_spans_covers_the_length_once_inside_the_margin(
    length: int, span_length: int, margin_ratio: float
) -> None:
    margin = min(int(span_length * margin_ratio), (span_length - 1) // 2)
    result = split_spans(length, span_length, margin)
    assert [span.first for span in result] == [0, *(span.last for span in result[:-1])]
    assert result[-1].last == length
    assert {span.end - span.begin for span in result} == {min(length, span_length)}
    for span in result:
        assert 0 <= span.begin <= span.first < span.last <= span.end <= length
        assert span.begin == 0 or span.first - span.begin >= margin
        assert span.end == length or span.end - span.last >= margin


def test_split_tiles_covers_every_pixel_once() -> None:
    counts = np.zeros((70, 130), int)
    for tile in split_tiles(130, 70, tile_size=32, margin=5):
        counts[tile.rows.first : tile.rows.last, tile.columns.first : tile.columns.last] += 1
    assert (counts == 1).all()


def test_split_tiles_of_a_small_image_is_one_tile() -> None:
    (tile,) = split_tiles(30, 20, tile_size=32, margin=8)
    assert (tile.columns.begin, tile.columns.end, tile.rows.begin, tile.rows.end) == (0, 30, 0, 20)


def test_canvas_fades_from_tile_to_tile() -> None:
    left, right = split_spans(24, 16, 4)
    canvas = Canvas(24, 16, fade=8)
    for span, level in ((left, 0), (right, 90)):
        canvas.add(Tile(split_spans(16, 16, 4)[0], span), np.full((16, 16, 3), level, np.uint8))
    row = canvas.pixels[8, :, 0].astype(int)
    assert row[:8].tolist() == [0] * 8
    assert row[16:].tolist() == [90] * 8
    assert np.diff(row).min() >= 0
    assert np.diff(row).max() <= 10
