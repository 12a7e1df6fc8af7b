from pathlib import Path

from server.commands.bench.plan import Plan


def test_plan_scales_sizes_to_multiples_of_8() -> None:
    plan = Plan(out=Path(), models=Path(), scale=5, hurry=4)
    assert plan.size(512, 768, 20) == (96, 152, 5)


def test_plan_keeps_minimum_size_and_steps() -> None:
    plan = Plan(out=Path(), models=Path(), scale=100, hurry=100)
    assert plan.size(512, 512, 20) == (64, 64, 2)
