"""Refuses tasks of models that no live worker has, if the operator wants them refused."""

from __future__ import annotations

from collections.abc import Collection

from server.queue.pools import reason
from server.services import Services


class MissingModelError(Exception):
    """No live worker has the models of the task, and the operator lets no task wait for such a worker."""


async def refuse_missing_models(services: Services, models: Collection[str]) -> None:
    """Raises MissingModelError, QueueUnavailableError. HUA_MISSING_MODELS says whether such tasks wait instead."""
    if services.settings.missing_models == "refuse" and (missing := await services.queue.missing(models)):
        raise MissingModelError(
            f"{reason(missing)}; name a model of GET /v1/models that workers have, or ask the operator for a worker "
            "with this one"
        )
