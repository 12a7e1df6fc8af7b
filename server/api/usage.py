"""What the tasks of a tenant have cost, by day and task type, and how many image files it stores."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request, Response
from pydantic import BaseModel, Field

from server.api.dependencies import CallerDep, Reader, ServicesDep
from server.api.errors import error_responses
from server.api.router import Router
from server.services import Services
from server.tasks.retention import kept_use
from server.tenancy.usage_summary import DailyUsage, UsageSummaries

MAX_DAYS = 92
DEFAULT_DAYS = 31
ALL_TENANTS = "*"
CSV = "text/csv"

router = Router(prefix="/v1", tags=["usage"])


class PeriodError(Exception):
    """The period ends before it begins, or is too long."""


class UploadsReply(BaseModel):
    count: int = Field(description="Image files that are stored now: uploads, and input images of tasks.")
    bytes: int = Field(description="Bytes of these files.")
    max_count: int = Field(description="Files that may be stored at a time.")
    max_bytes: int = Field(description="Bytes that these files may have in all.")


class KeptReply(BaseModel):
    count: int = Field(description="Images that are kept without end now.")
    bytes: int = Field(description="Bytes of these images.")
    max_bytes: int = Field(description="Bytes that may be kept.")


class UsageReply(BaseModel):
    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    usage: list[DailyUsage]
    uploads: UploadsReply | None = Field(None, description="Stored images of the tenant; null for `tenant=*`.")
    kept: KeptReply | None = Field(None, description="Images that it keeps without end; null for `tenant=*`.")


class Period:
    """Days in UTC, the first and the last included. Raises PeriodError."""

    def __init__(
        self,
        first: Annotated[
            date | None, Query(alias="from", description=f"First day. Default: {DEFAULT_DAYS} days in all.")
        ] = None,
        last: Annotated[date | None, Query(alias="to", description="Last day. Default: today, in UTC.")] = None,
    ) -> None:
        self.last = last or datetime.now(UTC).date()
        self.first = first or date.fromordinal(max(1, self.last.toordinal() - DEFAULT_DAYS + 1))
        if not 0 <= (self.last - self.first).days < MAX_DAYS:
            raise PeriodError(
                f"from {self.first} to {self.last} is not a period of 1 to {MAX_DAYS} days; choose an earlier `from` "
                "or a later `to`, or ask for one month at a time"
            )


async def _summaries(request: Request) -> UsageSummaries:
    summaries: UsageSummaries = request.app.state.usage_summaries
    return summaries


@router.get(
    "/usage",
    response_model=UsageReply,
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}, **error_responses(401, 422, 503)},
)
async def get_usage(
    services: ServicesDep,
    caller: CallerDep,
    period: Annotated[Period, Depends()],
    summaries: Annotated[UsageSummaries, Depends(_summaries)],
    tenant: Annotated[
        str | None,
        Query(
            pattern=r"^(\*|[a-z0-9][a-z0-9._-]{0,63})$",
            description="Another tenant, or * for all tenants; needs the scope `admin`.",
        ),
    ] = None,
    accept: Annotated[str, Header(description="`text/csv` for a table.")] = "",
) -> Any:
    """Ended tasks, summed by day and type. Failed and canceled tasks are counted but not charged."""
    caller.require("read" if tenant is None else "admin")
    requested = tenant or caller.tenant
    one = None if requested == ALL_TENANTS else requested
    rows = await summaries.summarize(one, period.first, period.last)
    if CSV in accept:
        return Response(_csv(rows), media_type=CSV)
    uploads, kept = (await _uploads(services, one), await _kept(services, one)) if one else (None, None)
    return UsageReply(first=period.first, last=period.last, usage=rows, uploads=uploads, kept=kept)


@router.get("/kept", responses=error_responses(401, 503))
async def get_kept(services: ServicesDep, tenant: Reader) -> KeptReply:
    """How many images are kept without end, and how many bytes of them may be. `GET /v1/tasks?retention=keep` lists
    their tasks."""
    return await _kept(services, tenant)


async def _uploads(services: Services, tenant: str) -> UploadsReply:
    stored, limit = await services.uploads.total(tenant), services.uploads.limit(tenant)
    return UploadsReply(count=stored.count, bytes=stored.bytes, max_count=limit.count, max_bytes=limit.bytes)


async def _kept(services: Services, tenant: str) -> KeptReply:
    use = await kept_use(services, tenant)
    return KeptReply(count=use.total.count, bytes=use.total.bytes, max_bytes=use.max_bytes)


def _csv(rows: Sequence[DailyUsage]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(DailyUsage.model_fields))
    writer.writeheader()
    writer.writerows(row.model_dump() for row in rows)
    return text.getvalue()
