import pytest

from benchmarks.gpu_day.result import NonsenseError
from benchmarks.gpu_day.trace import Span, figures


def test_gaps_are_the_time_that_no_kernel_covers() -> None:
    spans = [Span("conv", 0, 400), Span("conv", 405, 500), Span("copy", 800, 900), Span("inside", 100, 200)]
    found = {figure.name: figure for figure in figures(spans)}
    assert found["trace.wall"].value == 0.9
    assert found["trace.idle"].value == pytest.approx(100 * 300 / 900)
    assert found["trace.gaps"].samples == (300,)
    assert found["trace.gap.0"].title == "gaps before copy"
    assert found["trace.kernel.0"].title == "kernel conv"
    assert found["trace.kernel.0"].value == pytest.approx(100 * 495 / 900)


def test_profile_without_kernels_is_nonsense() -> None:
    with pytest.raises(NonsenseError, match="CUPTI"):
        list(figures([]))
