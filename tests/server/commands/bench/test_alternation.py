from pathlib import Path

import pytest

from server.commands.bench.alternation import alternate
from server.commands.bench.plan import Plan


class RecordedSide:
    def __init__(self, name: str, calls: list[str]) -> None:
        self.name = name
        self._calls = calls

    def load(self) -> None:
        self._calls.append(f"load {self.name}")

    def unload(self) -> None:
        self._calls.append(f"unload {self.name}")


@pytest.mark.parametrize(
    ("one_at_a_time", "block"),
    [
        (False, ["load a", "work a", "work a", "load b", "work b", "work b"]),
        (True, ["load a", *["work a"] * 2, "unload a"]),
    ],
)
def test_alternate_loads_and_unloads_sides(one_at_a_time: bool, block: list[str]) -> None:
    calls: list[str] = []
    sides = [RecordedSide("a", calls), RecordedSide("b", calls)]
    plan = Plan(out=Path(), models=Path(), warm_ups=1)
    blocks = alternate(sides, lambda side: calls.append(f"work {side.name}"), plan, 1, one_at_a_time=one_at_a_time)
    assert calls[: len(block)] == block
    assert calls[-2:] == ["unload a", "unload b"]
    assert {name: [len(samples) for samples in rounds] for name, rounds in blocks.items()} == {"a": [1, 1], "b": [1, 1]}
