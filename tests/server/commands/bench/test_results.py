import pytest

from server.commands.bench.results import BenchError, Figure, format_number, idle_fraction, percentile, ratio


def test_figure_has_median_and_p95() -> None:
    figure = Figure.of("a", "A", "s", [float(number) for number in range(100, 0, -1)])
    assert (figure.value, figure.p95) == (50.5, 95.0)
    assert percentile([1.0, 2.0], 0.95) == 2.0


def test_ratio_divides_medians_of_both_blocks() -> None:
    figure = ratio("a", "A", base=[[2.0, 2.0, 9.0], [2.02, 2.0, 2.0]], ours=[[1.0, 1.0], [1.0, 0.5]])
    assert figure.value == pytest.approx(2.0)


def test_ratio_refuses_unsteady_baseline() -> None:
    figure = ratio("a", "A", base=[[1.0, 1.0], [1.04, 1.04]], ours=[[1.0], [1.0]])
    assert figure.value is None
    assert figure.note == "refused: the two blocks of the baseline differ by 4.0%"


def test_idle_fraction_is_time_without_kernel() -> None:
    assert idle_fraction([(5, 10), (0, 4), (1, 2), (9, 10)]) == pytest.approx(0.1)


def test_idle_fraction_refuses_no_kernels() -> None:
    with pytest.raises(BenchError, match="no kernel"):
        idle_fraction([])


def test_figure_of_earlier_report_is_read_by_its_current_name() -> None:
    old = '{"name": "house.overhead", "title": "", "unit": "ms", "value": 10}'
    assert Figure.model_validate_json(old).name == "service.overhead"


def test_format_number_keeps_three_digits() -> None:
    assert [format_number(value) for value in (0.123456, 12.3456, 123.456, 12345.6)] == [
        "0.123",
        "12.3",
        "123",
        "12,346",
    ]
