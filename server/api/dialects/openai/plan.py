"""What a request paints, and the tasks that paint it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pipelines.params.limits import SEEDS
from server.api.dialects.workflows import CUT_OUT, painting_task
from server.task import AnyRetention, Output, Priority
from server.tasks.submission import Submission

MAX_SAMPLES = 8
"""The most images of one task."""
SEED = re.compile(r"\d{1,10}", re.ASCII)
"""A seed that counts on with the images. The task refuses all others but -1."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A painting."""

    task_type: str
    params: dict[str, Any]
    cuts_out: bool
    """Whether the main object of the painting is cut out."""

    def tasks(self, images: int, *, apart: bool) -> list[tuple[str, dict[str, Any]]]:
        """Type and params of the tasks that paint this many images. `apart`: each image is a task of its own."""
        most = 1 if apart or self.cuts_out else MAX_SAMPLES
        return [self._task(min(most, images - offset), offset) for offset in range(0, images, most)]

    def _task(self, samples: int, offset: int) -> tuple[str, dict[str, Any]]:
        """The task that paints `samples` images, of which the first has number `offset`."""
        params = {**self.params, "num_samples": samples}
        if offset and SEED.fullmatch(str(params.get("seed"))):
            params["seed"] = (int(params["seed"]) + offset) % SEEDS
        return painting_task(self.task_type, params, after=[CUT_OUT] if self.cuts_out else ())


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """What all tasks of one request share."""

    tenant: str
    dialect: str
    output: Output
    priority: Priority | None
    retention: AnyRetention | None
    idempotency_key: str | None


def submissions(plan: Plan, images: int, options: TaskOptions, *, apart: bool) -> list[Submission]:
    """The tasks of a request. A request that is sent again with its Idempotency-Key gets the same ones."""
    key = options.idempotency_key
    return [
        Submission(
            type=task_type,
            params=params,
            tenant=options.tenant,
            priority=options.priority,
            retention=options.retention,
            output=options.output,
            dialect=options.dialect,
            idempotency_key=key if key is None or not number else f"{key}#{number}",
        )
        for number, (task_type, params) in enumerate(plan.tasks(images, apart=apart))
    ]
