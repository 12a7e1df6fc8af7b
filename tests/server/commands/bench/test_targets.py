import pytest

from server.commands.bench.results import Figure
from server.commands.bench.targets import TARGETS, device_kinds


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
def test_device_kinds(name: str, capability: str, kinds: tuple[str, ...]) -> None:
    assert device_kinds(name, capability) == kinds


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
def test_target_verdict_uses_narrowest_kind(figure, value, kinds, verdict) -> None:
    assert TARGETS[figure].verdict(Figure(name=figure, title="", unit="", value=value), kinds) == verdict


def test_target_verdict_checks_p95() -> None:
    slow_tail = Figure(name="service.overhead", title="", unit="ms", value=10, p95=41)
    assert TARGETS["service.overhead"].verdict(slow_tail, ("GPU",)) == "not reached"
