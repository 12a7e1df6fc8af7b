"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Result = Literal["ok", "warn", "fail", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`fail`: Hua does not start, or cannot work. `warn`: it works until something else happens."""

    check: str
    result: Result
    message: str
    """What was found. Called `said` in `--json`."""
    advice: str = ""
    """What to do; empty if nothing is needed."""

    @property
    def plain(self) -> dict[str, str]:
        return {"check": self.check, "result": self.result, "said": self.message, "advice": self.advice}
