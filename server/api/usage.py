"""What a tenant's tasks have cost, day by day."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, Field

from server.api.dependencies import GivenCaller
from server.api.errors import error_responses
from server.tenancy.usage_summary import Statements, Sum

LONGEST_DAYS = 92
USUAL_DAYS = 31
EVERYBODY = "*"
CSV = "text/csv"

router = APIRouter(prefix="/v1", tags=["usage"])


class PeriodError(Exception):
    """The days asked for end before they begin, or are too many."""


class UsageReply(BaseModel):
    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    usage: list[Sum]


class Period:
    """Days in UTC, both included; raises PeriodError."""

    def __init__(
        self,
        first: Annotated[date | None, Query(alias="from", description=f"Default: {USUAL_DAYS} days in all.")] = None,
        last: Annotated[date | None, Query(alias="to", description="Default: today, in UTC.")] = None,
    ) -> None:
        self.last = last or datetime.now(UTC).date()
        self.first = first or date.fromordinal(max(1, self.last.toordinal() - USUAL_DAYS + 1))
        if not 0 <= (self.last - self.first).days < LONGEST_DAYS:
            raise PeriodError(
                f"from {self.first} to {self.last} is no period of 1 to {LONGEST_DAYS} days; ask for an earlier "
                "`from` or a later `to`, or month by month"
            )


async def _statements(request: Request) -> Statements:
    statements: Statements = request.app.state.statements
    return statements


@router.get(
    "/usage",
    response_model=UsageReply,
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}, **error_responses(401, 422, 503)},
)
async def get_usage(
    caller: GivenCaller,
    period: Annotated[Period, Depends()],
    statements: Annotated[Statements, Depends(_statements)],
    tenant: Annotated[
        str | None,
        Query(pattern=r"^(\*|[a-z0-9][a-z0-9._-]{0,63})$", description="Another tenant, or * for all; scope `admin`."),
    ] = None,
    accept: Annotated[str, Header(description="`text/csv` for a table.")] = "",
) -> Any:
    """Tasks that have ended, summed by day and type; failed and canceled ones are counted and not charged."""
    caller.need("read" if tenant is None else "admin")
    whose = tenant or caller.tenant
    sums = await statements.of(None if whose == EVERYBODY else whose, period.first, period.last)
    if CSV in accept:
        return Response(_table(sums), media_type=CSV)
    return UsageReply(first=period.first, last=period.last, usage=sums)


def _table(sums: Sequence[Sum]) -> str:
    text = io.StringIO()
    rows = csv.DictWriter(text, list(Sum.model_fields))
    rows.writeheader()
    rows.writerows(one.model_dump() for one in sums)
    return text.getvalue()
