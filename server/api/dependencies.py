"""What routes are given: the services of their app, who is asking, and the task that a path names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, cast

from fastapi import Depends, Path, Request

from server.services import Services
from server.tasks.lookup import TaskRecord, find_record
from server.tenancy.auth import Caller
from server.tenancy.policy import Scope


async def _services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


ServicesDep = Annotated[Services, Depends(_services)]


async def caller(request: Request, services: ServicesDep) -> Caller:
    """Raises UnauthorizedError."""
    return services.tenants.keys.caller(request.headers.get("authorization"))


GivenCaller = Annotated[Caller, Depends(caller)]


def _tenant_with(scope: Scope) -> Callable[[Caller], Awaitable[str]]:
    async def tenant(caller: GivenCaller) -> str:
        """Raises MissingScopeError."""
        caller.need(scope)
        return caller.tenant

    return tenant


Submitter = Annotated[str, Depends(_tenant_with("submit"))]
"""The calling tenant, whose key may hand in tasks, and cancel them."""
Reader = Annotated[str, Depends(_tenant_with("read"))]
Uploader = Annotated[str, Depends(_tenant_with("upload"))]

TaskId = Annotated[str, Path(description="As the task's submission answered it.", examples=["0" * 32])]


async def _record_to_read(task_id: TaskId, services: ServicesDep, tenant: Reader) -> TaskRecord:
    return await find_record(services, task_id, tenant)


async def _record_to_change(task_id: TaskId, services: ServicesDep, tenant: Submitter) -> TaskRecord:
    return await find_record(services, task_id, tenant)


NamedRecord = Annotated[TaskRecord, Depends(_record_to_read)]
RecordToChange = Annotated[TaskRecord, Depends(_record_to_change)]
