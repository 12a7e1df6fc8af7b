"""What one check has found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Result = Literal["ok", "warn", "fail", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`fail`: Hua will not start, or will not do its work. `warn`: it will, until something else happens."""

    check: str
    result: Result
    said: str
    advice: str = ""
    """What to do; empty if there is nothing to be done."""

    @property
    def plain(self) -> dict[str, str]:
        return asdict(self)
