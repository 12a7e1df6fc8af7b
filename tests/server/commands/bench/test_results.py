import pytest

from server.commands.bench.results import BenchError, Figure, idle_share, percentile, ratio


def test_a_figure_is_the_median_beside_what_95_of_100_do_not_exceed() -> None:
    figure = Figure.of("a", "A", "s", [float(number) for number in range(100, 0, -1)])
    assert (figure.value, figure.p95) == (50.5, 95.0)
    assert percentile([1.0, 2.0], 0.95) == 2.0


def test_a_ratio_is_of_the_medians_of_both_blocks() -> None:
    made = ratio("a", "A", base=[[2.0, 2.0, 9.0], [2.02, 2.0, 2.0]], ours=[[1.0, 1.0], [1.0, 0.5]])
    assert made.value == pytest.approx(2.0)


def test_a_ratio_to_a_baseline_that_does_not_keep_still_is_refused() -> None:
    made = ratio("a", "A", base=[[1.0, 1.0], [1.04, 1.04]], ours=[[1.0], [1.0]])
    assert made.value is None
    assert made.note == "refused: the two blocks of the baseline differ by 4.0%"


def test_idle_is_what_no_kernel_covers() -> None:
    assert idle_share([(5, 10), (0, 4), (1, 2), (9, 10)]) == pytest.approx(0.1)


def test_no_kernels_are_no_measurement() -> None:
    with pytest.raises(BenchError, match="no kernel"):
        idle_share([])


def test_figure_of_earlier_report_is_read_by_its_current_name() -> None:
    old = '{"name": "house.overhead", "title": "", "unit": "ms", "value": 10}'
    assert Figure.model_validate_json(old).name == "service.overhead"
