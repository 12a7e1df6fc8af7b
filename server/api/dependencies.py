"""What routes depend on: the services of their app, the authenticated caller, and the task that a path names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, cast

from fastapi import Depends, Path, Request

from server.api.authenticated_route import CALLER
from server.api.readiness import Readiness
from server.services import Services
from server.tasks.lookup import TaskRecord, find_record
from server.tenancy.auth import Caller
from server.tenancy.policy import Scope


async def _services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


ServicesDep = Annotated[Services, Depends(_services)]


async def _readiness(request: Request) -> Readiness:
    return cast(Readiness, request.app.state.readiness)


ReadinessDep = Annotated[Readiness, Depends(_readiness)]


async def get_caller(request: Request, services: ServicesDep) -> Caller:
    """The caller that the route has authenticated, else that of the Authorization header. Raises UnauthorizedError."""
    if CALLER in request.scope:
        return cast(Caller, request.scope[CALLER])
    return services.tenants.keys.authenticate(request.headers.get("authorization"))


CallerDep = Annotated[Caller, Depends(get_caller)]


def _tenant_with(scope: Scope) -> Callable[[Caller], Awaitable[str]]:
    async def tenant(caller: CallerDep) -> str:
        """Raises MissingScopeError."""
        caller.require(scope)
        return caller.tenant

    return tenant


Submitter = Annotated[str, Depends(_tenant_with("submit"))]
"""The tenant of a key that may submit and cancel tasks."""
Reader = Annotated[str, Depends(_tenant_with("read"))]
"""The tenant of a key that may read tasks."""
Uploader = Annotated[str, Depends(_tenant_with("upload"))]
"""The tenant of a key that may upload images."""

TaskId = Annotated[str, Path(description="The `id` that the submission of the task returned.", examples=["0" * 32])]


async def _record_to_read(task_id: TaskId, services: ServicesDep, tenant: Reader) -> TaskRecord:
    return await find_record(services, task_id, tenant)


async def _record_to_change(task_id: TaskId, services: ServicesDep, tenant: Submitter) -> TaskRecord:
    return await find_record(services, task_id, tenant)


RecordDep = Annotated[TaskRecord, Depends(_record_to_read)]
"""The task of the path, for a caller that may read it."""
ChangeableRecordDep = Annotated[TaskRecord, Depends(_record_to_change)]
"""The task of the path, for a caller that may cancel it or have its callback sent again."""
