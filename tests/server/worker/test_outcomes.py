from server.queue import Lease
from server.task import Status, Task
from server.worker.outcomes import Outcomes
from server.worker.stage_times import StageTimes

TASK = Task(id="0" * 32, type="txt2img.sd", params={"text": "x"}, tenant="a", created_at=1.0)
LEASE = Lease(TASK, "token", "worker:cpu:1")


def test_outcome_has_the_times_and_the_worker_of_its_attempt() -> None:
    times, now = StageTimes(), iter((10.0, 14.0))
    outcomes = Outcomes(LEASE, lambda: next(now), times)
    times.by_stage["load"] = 3.0
    outcome = outcomes.succeeded((), {"ok": True}, ["x has no effect"])
    assert (outcome.task, outcome.attempt, outcome.worker) == (TASK, "token", "worker:cpu:1")
    assert (outcome.started_at, outcome.finished_at, outcome.timings) == (10.0, 14.0, {"load": 3.0})
    assert (outcome.status, outcome.answer, outcome.failure) == (Status.SUCCEEDED, {"ok": True}, None)
    assert outcome.warnings == ("x has no effect",)


def test_bug_shows_clients_only_the_class_of_the_error() -> None:
    outcome = Outcomes(LEASE, lambda: 10.0, StageTimes()).bug(ValueError("/secret/path"))
    assert outcome.status is Status.FAILED
    assert outcome.failure is not None
    assert (outcome.failure.code, outcome.failure.message) == (
        "internal",
        "ValueError; see the server's log for details",
    )
