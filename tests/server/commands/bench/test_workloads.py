from pathlib import Path

from server.commands.bench.plan import Plan
from server.commands.bench.workloads import mixed_workloads


def test_mixed_workloads_have_their_fractions() -> None:
    workloads = mixed_workloads(Plan(out=Path(), models=Path()))
    sizes = [(workload.width, workload.height, workload.steps, workload.source is not None) for workload in workloads]
    assert len(workloads) == 16
    assert sizes.count((512, 512, 20, False)) == 9
    assert sizes.count((512, 768, 25, False)) == 3
    assert sizes.count((768, 768, 30, False)) == 2
    assert sizes.count((512, 512, 20, True)) == 2
    assert len({workload.seed for workload in workloads}) == 16
