"""A part is imported by its own process alone, so that nothing else would notice a name that is gone."""

import pytest

from benchmarks.gpu_day import (
    batches,
    death,
    faults,
    graphs,
    levers,
    memory,
    models,
    overflow,
    parity,
    speed,
    suite,
    trace,
)
from benchmarks.gpu_day.parts import PARTS
from benchmarks.gpu_day.runner import Part

MODULES = (batches, death, faults, graphs, levers, memory, models, overflow, parity, speed, suite, trace)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_function_of_each_part_exists(part: Part) -> None:
    module, name = part.function.split(":")
    assert callable(getattr({each.__name__: each for each in MODULES}[module], name))


def test_parts_have_names_of_their_own() -> None:
    names = [part.name for part in PARTS]
    assert len(set(names)) == len(names)
