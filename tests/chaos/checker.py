"""Checks a history afterwards: which invariants were broken, for which task.

I1 every accepted task ends, and stays known   I2 what is settled is committed, at no moment anything else
I3 it ends once: the first outcome in the log is its manifest, and what everybody saw of it, picture included
I4 of attempts that lost, nothing is left an hour later
I6 its callback is delivered, always with the same body   I7 it is counted once, and charged if it succeeded
I8 no tenant has more unfinished tasks than it may   I11 poison is not tried for ever, and spoils no other task
I13 what was seen to be canceled is not begun any more   I16 faults cause no more work than they destroyed
pools: it runs only on workers that have its model
I18 a clock that is off changes nothing: what is written down happened when the world saw it
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from server.queue.poison import DEATHS_AT_MOST, DEATHS_UNTIL_POISON
from tests.chaos.device import CAPACITY
from tests.chaos.fake_images import digest, picture, sent
from tests.chaos.faults import Counts
from tests.chaos.history import Case, History
from tests.chaos.pools import COMMON, own_model
from tests.chaos.times import judge_times, lives

UNDER_WAY_S = 1.0
"""Seconds for the queue to open again and to get the tasks that were being written to the log."""
LATE_S = 6.0
"""Seconds until a paused worker learns that a task it is about to start was canceled."""

BEFORE_IT_BEGAN = 1
"""Deaths that no device recorded: a worker may die between the lease and the first step."""


@dataclass(frozen=True, slots=True)
class Broken:
    invariant: str
    task: int
    message: str


def check(history: History, counts: Counts, workers: int) -> list[Broken]:
    """All broken invariants."""
    by_task = history.by_task()
    manifests = history.found.manifests
    cases = [
        Case(number, task_id, by_task[number], manifests.get(task_id), history)
        for number, task_id in history.ids().items()
    ]
    broken = [
        Broken(name, case.number, message)
        for case in cases
        for name, judge in JUDGES.items()
        for message in judge(case)
    ]
    known = history.ids()
    broken += [Broken("I1", one.number, "it was never accepted") for one in history.planned if one.number not in known]
    broken += [Broken("I8", number, message) for number, message in _over_limit(history, cases)]
    broken += [Broken("I11", number, message) for number, message in _poison(cases, counts)]
    numbers = {task_id: number for number, task_id in known.items()}
    soon = [str(event.details["id"]) for event in history.events if event.kind == "premature"]
    broken += [Broken("I2", numbers.get(each, -1), "it was committed before it was settled") for each in soon]
    if history.found.uncommitted:
        broken.append(Broken("I2", -1, f"{history.found.uncommitted} records are not committed though all is settled"))
    broken += [Broken("I16", -1, message) for message in _wasted(history, cases, counts, workers)]
    return sorted(broken, key=lambda one: (one.invariant, one.task))


def _ends(case: Case) -> Iterator[str]:
    if case.manifest is None:
        yield "it was accepted and has no manifest"
    if case.id not in case.history.found.accepted:
        yield "it was accepted and is not in the log"
    if missing := case.of("missing"):
        yield f"it was accepted, and then answered {missing[0].details['status']}"


def _ends_once(case: Case) -> Iterator[str]:
    if case.manifest is None:
        return
    first = case.history.found.outcomes.get(case.id, [{}])[0]
    if case.outcome != first:
        yield "its manifest is not the first outcome in the log"
    final = [event for event in case.of("seen") if event.final]
    endings = {str(event.details) for event in final}
    if len(endings) > 1:
        yield f"it was seen to end in {len(endings)} ways: {sorted(endings)}"
    if any(event.details["status"] != case.outcome["status"] for event in final):
        yield f"it was seen to end otherwise than as {case.outcome['status']}"
    known_at = min((event.at for event in final), default=float("inf"))
    later = [event for event in case.of("seen") if event.since > known_at and not event.final]
    if later:
        yield f"it was seen {later[0].details['status']} after it had ended"
    yield from _pictures(case)


def _pictures(case: Case) -> Iterator[str]:
    params = case.history.planned[case.number].params
    right = digest(picture(params, sent(params)))
    files = {image["sha256"] for image in case.outcome["images"]}
    for event in case.of("fetched"):
        if event.details["status"] == 410 and not lives(case, event.at):
            continue
        if event.details["status"] != 200:
            yield f"its picture was answered {event.details['status']}"
        elif event.details["pixels"] != right or event.details["sha256"] not in files:
            yield "its picture is not the one that was asked for"
    if case.outcome["status"] == "succeeded" and not case.outcome["images"]:
        yield "it succeeded without a picture"
    for image in case.outcome["images"]:
        if case.outcome["attempt"] not in image["key"]:
            yield "it links to the picture of another attempt"
        if image["key"] not in case.history.found.images and lives(case, case.history.found.at):
            yield "its picture is not in the bucket"


def _pool(case: Case) -> Iterator[str]:
    for run in case.runs:
        if run["model"] not in (COMMON, own_model(run["worker"])):
            yield f"it ran on worker {run['worker']}, which does not have {run['model']}"


def _left_over(case: Case) -> Iterator[str]:
    known = {image["key"] for image in case.outcome.get("images", ())}
    left = [key for key in case.history.found.images if f"/{case.id}/" in key and key not in known]
    if case.manifest is not None and left:
        yield f"{len(left)} images of attempts that lost are left"


def _callback(case: Case) -> Iterator[str]:
    received = case.of("callback")
    if not case.history.planned[case.number].callback:
        if received:
            yield "it has a callback that was not requested"
        return
    if case.manifest is not None and not any(event.details["taken"] for event in received):
        yield f"its callback was not delivered, {len(received)} tries"
    if len({(event.details["sha256"], event.details["event"]) for event in received}) > 1:
        yield "its callback came with different bodies"
    if any(event.details["status"] != case.outcome.get("status") for event in received):
        yield f"its callback did not say {case.outcome.get('status')}"
    if case.id in case.history.found.callbacks and any(event.details["taken"] for event in received):
        yield "its callback was taken and is still to be sent"


def _charge(case: Case) -> Iterator[str]:
    if case.manifest is None:
        return
    usage, log = case.history.found.usage.get(case.id, []), case.history.found.usage_log.get(case.id, [])
    if len(usage) != 1 or not log:
        yield f"it has {len(usage)} records of usage in the bucket and {len(log)} in the log"
        return
    if any(record != usage[0] for record in log):
        yield "its records of usage differ"
    due = case.outcome["task"]["cost"] if case.outcome["status"] == "succeeded" else 0
    if usage[0]["charge"] != due:
        yield f"it was charged {usage[0]['charge']} and not {due}"


def _cancel(case: Case) -> Iterator[str]:
    canceled_at = min((event.at for event in case.of("seen") if event.details["status"] == "canceled"), default=None)
    if canceled_at is None:
        return
    began = [run["at"] for run in case.runs if run["what"] == "began"]
    if any(at > canceled_at + LATE_S + case.history.still_s(canceled_at, at) for at in began):
        yield "it was begun after it was seen to be canceled"


JUDGES: dict[str, Callable[[Case], Iterator[str]]] = {
    "I1": _ends,
    "I3": _ends_once,
    "I4": _left_over,
    "I6": _callback,
    "I7": _charge,
    "I13": _cancel,
    "pools": _pool,
    "I18": judge_times,
}


def _over_limit(history: History, cases: list[Case]) -> Iterator[tuple[int, str]]:
    """Counts only tasks that were certainly unfinished at an admission, and none submitted while Redis was lost: such a
    task may have reached the log just after the replay."""
    losses = list(_losses(history))
    held: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for case in cases:
        accepted = case.of("accepted")[0]
        if not any(accepted.since - UNDER_WAY_S < over and began < accepted.at for began, over in losses):
            ended_at = case.outcome.get("finished_at", float("inf"))
            held[history.planned[case.number].tenant].append((accepted.at, ended_at))
    for case in cases:
        accepted, tenant = case.of("accepted")[0], history.planned[case.number].tenant
        before = sum(at < accepted.since and ended > accepted.at for at, ended in held[tenant])
        if before >= history.limit:
            yield case.number, f"{tenant} had {before} unfinished tasks when it was admitted, of {history.limit}"


def _losses(history: History) -> Iterator[tuple[float, float]]:
    """The intervals in which Redis was lost."""
    for kind in LOSES_REDIS:
        struck = [event for event in history.events if event.kind == "fault" and event.details["what"] == kind]
        over = [event.at for event in struck if event.details.get("over")]
        yield from zip((event.at for event in struck if not event.details.get("over")), over, strict=False)


LOSES_REDIS = {"redis_kills", "redis_stale", "flushes"}


def _poison(cases: list[Case], counts: Counts) -> Iterator[tuple[int, str]]:
    most = DEATHS_AT_MOST * (1 + counts.redis_losses)
    for case in cases:
        begun = sum(run["what"] == "began" for run in case.runs)
        cut_off = begun - sum(run["what"] == "ended" for run in case.runs)
        failure = case.outcome.get("failure") or {}
        if case.history.planned[case.number].poison:
            if begun > most:
                yield case.number, f"it is poison and was begun {begun} times, of {most}"
            if case.outcome.get("status") not in {"failed", None}:
                yield case.number, f"it is poison and {case.outcome['status']}"
        elif case.outcome.get("status") == "failed" and cut_off < DEATHS_UNTIL_POISON - BEFORE_IT_BEGAN:
            yield case.number, f"it failed ({failure.get('code')}) though only {cut_off} of its runs were cut off"


def executions(history: History) -> Counter[str]:
    """The number of runs of each task from the start, without poisoned tasks."""
    begun = [run["text"] for run in history.runs if run["what"] == "began" and not run["from"]]
    return Counter(text for text in begun if not text.startswith("poison"))


def reruns(history: History) -> int:
    return sum(times - 1 for times in executions(history).values())


def _wasted(history: History, cases: list[Case], counts: Counts, workers: int) -> Iterator[str]:
    """A poisoned task kills its neighbours only at its first death, because it then runs alone."""
    struck = _struck(counts, workers)
    poison = min(DEATHS_AT_MOST, 1 + counts.redis_losses) * sum(one.poison for one in history.planned)
    if reruns(history) > struck + CAPACITY * poison:
        yield f"{reruns(history)} runs were repeated, and the faults account for {struck + CAPACITY * poison}"
    unended = [case for case in cases if case.outcome.get("status") != "canceled"]
    stopped = sum(run["what"] == "aborted" for case in unended for run in case.runs)
    if stopped > struck:
        yield f"{stopped} runs were stopped without a cancel, and the faults explain only {struck}"


def _struck(counts: Counts, workers: int) -> int:
    """The runs that a fault hit: those of the worker or its device; for a fault of Redis, every lease."""
    killed = counts.worker_kills + counts.worker_pauses + counts.worker_drains + counts.device_kills
    cut = counts.network_cuts + counts.network_delays
    return CAPACITY * (killed + workers * (counts.redis_losses + cut))
