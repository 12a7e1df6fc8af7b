"""What routes are given: the services of their app, who is asking, and the task that a path names."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Path, Request

from server.auth import Keys
from server.record import Record, find_record
from server.services import Services


async def _services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


async def calling_tenant(request: Request) -> str:
    """Raises UnauthorizedError."""
    keys: Keys = request.app.state.keys
    return keys.tenant(request.headers.get("authorization"))


GivenServices = Annotated[Services, Depends(_services)]
CallingTenant = Annotated[str, Depends(calling_tenant)]
TaskId = Annotated[str, Path(description="As the task's submission answered it.", examples=["0" * 32])]


async def _record(task_id: TaskId, services: GivenServices, tenant: CallingTenant) -> Record:
    return await find_record(services, task_id, tenant)


NamedRecord = Annotated[Record, Depends(_record)]
