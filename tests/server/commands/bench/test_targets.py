import pytest

from server.commands.bench.results import Figure
from server.commands.bench.targets import GOALS, kinds_of


@pytest.mark.parametrize(
    ("name", "capability", "kinds"),
    [
        ("NVIDIA H200", "9.0", ("H200",)),
        ("Tesla T4", "7.5", ("T4", "Turing")),
        ("Quadro RTX 5000", "7.5", ("RTX5000", "Turing")),
        ("NVIDIA L4", "8.9", ("GPU",)),
        ("CPU", "", ()),
    ],
)
def test_what_a_device_is(name: str, capability: str, kinds: tuple[str, ...]) -> None:
    assert kinds_of(name, capability) == kinds


@pytest.mark.parametrize(
    ("figure", "value", "kinds", "verdict"),
    [
        ("single.sd1.bare/hua", 1.2, ("T4", "Turing"), "reached"),
        ("single.sd1.bare/hua", 1.2, ("H200",), "not reached"),
        ("single.sd1.bare/hua", 1.2, ("GPU",), "not applicable on this device"),
        ("single.sd1.bare/hua", None, ("H200",), "not measured"),
        ("single.sd1.hua", 2.0, ("RTX5000", "Turing"), "not reached"),
        ("single.sd1.hua", 2.0, ("T4", "Turing"), "reached"),
        ("lanes.share", 96, ("GPU",), "reached"),
        ("lanes.share", 96, (), "not applicable on this device"),
    ],
)
def test_a_goal_is_judged_by_the_narrowest_kind(figure, value, kinds, verdict) -> None:
    assert GOALS[figure].verdict(Figure(name=figure, title="", unit="", value=value), kinds) == verdict


def test_a_p95_has_a_bound_of_its_own() -> None:
    slow_tail = Figure(name="service.overhead", title="", unit="ms", value=10, p95=41)
    assert GOALS["service.overhead"].verdict(slow_tail, ("GPU",)) == "not reached"
