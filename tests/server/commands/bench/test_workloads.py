from pathlib import Path

from server.commands.bench.plan import Plan
from server.commands.bench.workloads import mixed


def test_a_crowd_has_the_shares_that_it_should() -> None:
    wishes = mixed(Plan(out=Path(), models=Path()))
    sizes = [(wish.width, wish.height, wish.steps, wish.picture is not None) for wish in wishes]
    assert len(wishes) == 16
    assert sizes.count((512, 512, 20, False)) == 9
    assert sizes.count((512, 768, 25, False)) == 3
    assert sizes.count((768, 768, 30, False)) == 2
    assert sizes.count((512, 512, 20, True)) == 2
    assert len({wish.seed for wish in wishes}) == 16
