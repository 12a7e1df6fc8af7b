"""Named points at which a role kills itself. The armed point kills the next process that reaches it.

The points are put around the roles' own functions before the roles are forked, so that nothing in them knows of it. A
point is armed by a file of its name; who removes that file is who dies, with its whole process group.
"""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

Reached = Callable[[], None]

POINTS = {
    "T1": "api: a slot is taken, the task is not in the log",
    "T2": "api: the task is in the log, its client does not know",
    "T3": "controller: the queue has the task, its record is not committed",
    "T4": "worker: it has a lease, and has done nothing",
    "T5": "worker: in the middle of a picture",
    "T6": "worker: the picture is in the bucket, the outcome is not in the log",
    "T7": "worker: the outcome is in the log, the lease still runs",
    "T8": "controller: the manifest is written, the queue does not know",
    "T9": "controller: the queue knows of the end, and not of the callback",
    "T10": "controller: the callback is sent, its answer is not read",
    "T11": "controller: the answer is read, and written down nowhere",
    "T12": "controller: the logs are read again after a FLUSHALL, the queue is not open yet",
    "T13": "controller: it has just taken the lead from one that was killed",
    "T14": "controller: a delivered callback is out of the bucket, and not out of the queue",
    "T15": "api: a slot is taken and what came with a request is stored, the task is not in the log",
}


def armed(folder: Path, point: str) -> Path:
    """The file that arms a point."""
    return folder / point


def install(folder: Path) -> None:
    """Wraps the functions of this process and its forks with the points."""
    from server.broker.kafka.broker import KafkaBroker
    from server.broker.sqlite.broker import SQLiteBroker
    from server.controller import log_replay
    from server.controller.callbacks import Callbacks
    from server.controller.intake import Intake
    from server.controller.leader_election import LeaderElection
    from server.controller.settlement import Settlement
    from server.egress import transport
    from server.queue.redis.queue import RedisQueue
    from server.tasks.input_images import InputImages
    from server.worker.attempt import Attempt

    def point(name: str) -> Reached:
        return functools.partial(_reached, armed(folder, name))

    _after(RedisQueue, "admit", point("T1"), lambda known, *_: known is None)
    for broker in (KafkaBroker, SQLiteBroker):
        _after(broker, "publish_task", point("T2"))
    _after(Intake, "_ingest", point("T3"))
    _after(RedisQueue, "lease", point("T4"), lambda lease, *_: lease is not None)
    _after(Attempt, "_store", point("T6"))
    _before(RedisQueue, "finishing", point("T7"))
    _after(Settlement, "_save", point("T8"))
    _before(RedisQueue, "add_callback", point("T9"), lambda _, due: not due.tries)
    _after(transport, "_response", point("T10"))
    _before(Callbacks, "_conclude", point("T11"))
    _before(log_replay, "restore_callbacks", point("T12"))
    _before(LeaderElection, "_lead", point("T13"))
    _before(RedisQueue, "drop_callback", point("T14"))
    _after(InputImages, "keep", point("T15"), lambda _, inputs, images, *__: images.ids)
    _in_the_middle(Attempt, point("T5"))


def _in_the_middle(attempt: Any, reached: Reached) -> None:
    """Half of the steps are done. Private: the step between two public calls is what must survive."""
    advance = attempt._advance

    def advance_and_die(self: Any, step: Any) -> None:
        advance(self, step)
        if step.step * 2 > step.steps:
            reached()

    attempt._advance = advance_and_die


def _reached(file: Path) -> None:
    try:
        file.unlink()
    except FileNotFoundError:
        return
    os.killpg(0, signal.SIGKILL)


def _before(owner: Any, name: str, reached: Reached, counts: Callable[..., Any] = lambda *_: True) -> None:
    """`counts` says whether a call with these arguments is meant."""
    as_it_is = getattr(owner, name)

    @functools.wraps(as_it_is)
    async def first_reached(*given: Any) -> Any:
        if counts(*given):
            reached()
        return await as_it_is(*given)

    setattr(owner, name, first_reached)


def _after(owner: Any, name: str, reached: Reached, counts: Callable[..., Any] = lambda *_: True) -> None:
    """`counts` says whether a call with this result and these arguments is meant."""
    as_it_is = getattr(owner, name)

    @functools.wraps(as_it_is)
    async def then_reached(*given: Any) -> Any:
        answer = await as_it_is(*given)
        if counts(answer, *given):
            reached()
        return answer

    setattr(owner, name, then_reached)
