"""What a part has found: checks, which are right or wrong, and figures, which are compared with goals."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from models.atomic_write import replacing
from server.commands.bench.results import Figure

Verdict = Literal["right", "wrong", "failed", "skipped"]
"""Of a part: `wrong` if one of its checks is, `failed` if it did not come to its end or returned nonsense."""
MEASURED_TIMES = ("s", "ms", "images/s", "images/min")
"""Units in which zero is no measurement."""


class SkippedError(Exception):
    """The part has nothing to do on this device; the message says why."""


class NonsenseError(Exception):
    """The part returned a figure that no measurement gives, such as NaN; the message names it."""


class Check(BaseModel):
    """Something that must hold."""

    model_config = ConfigDict(frozen=True)

    title: str
    passed: bool
    found: str = ""
    """The numbers that decided."""


Finding = Check | Figure


class PartResult(BaseModel):
    model_config = ConfigDict(frozen=True)

    part: str
    verdict: Verdict
    reason: str = ""
    """Why it is not right."""
    seconds: float = 0.0
    date: str = ""
    commit: str = ""
    """Of the code; empty if it is no checkout of git."""
    checks: tuple[Check, ...] = ()
    figures: tuple[Figure, ...] = ()

    @property
    def bad(self) -> bool:
        return self.verdict in ("wrong", "failed")

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as draft:
            draft.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")


def require_sense(finding: object) -> Finding:
    """The finding, if it is one. Raises NonsenseError."""
    if isinstance(finding, Check):
        return finding
    if not isinstance(finding, Figure):
        raise NonsenseError(f"returned {finding!r}, which is neither a check nor a figure")
    values = [each for each in (finding.value, finding.p95, *finding.samples) if each is not None]
    if bad := [each for each in values if not math.isfinite(each) or each < 0]:
        raise NonsenseError(f"returned nonsense: {finding.title} is {bad[0]} {finding.unit}")
    if finding.value == 0 and finding.unit in MEASURED_TIMES:
        raise NonsenseError(f"returned nonsense: {finding.title} is 0 {finding.unit}")
    return finding
