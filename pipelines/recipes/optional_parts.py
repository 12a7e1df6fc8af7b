"""Parts of a task that it can do without: those whose models this server does not have are left out."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from pipelines.pipeline import Params

PartName = Annotated[str, Field(max_length=64)]


class OptionalPartsParams(Params):
    """Parameters of a task that has parts which it can do without."""

    left_out: tuple[PartName, ...] = Field(
        (),
        max_length=16,
        fail_fast=True,
        description="Parts of the task to leave out. When it is accepted, those are added that this server has no "
        "model for; the task's `answer` lists them all.",
    )

    def leaves_out(self, part: str) -> bool:
        return part in self.left_out

    @property
    def answer(self) -> dict[str, Any]:
        """The answer of the task beside its images."""
        return {"left_out": list(self.left_out)}
