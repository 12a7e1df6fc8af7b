"""The table of promises, a row each, with the day on which it was measured last."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.promises.trial import Figure
from tests.support.kafka_server import VERSION as KAFKA
from tests.support.s3_server import VERSION as S3

HEAD = """# Promises

What Hua promises of a cluster, and what was seen. `python -m benchmarks.promises R6` prints the row of R6 and writes it
here; without a name it does all of them, which takes about an hour. Each measures real roles, one process each, over a
real Redis, Kafka {kafka} of one node and versitygw {s3}, all on one machine; only the device is pretended, at 20 ms a
step unless the row says otherwise. Leases last 2 s instead of 30. "0" means not seen, and not impossible;
"load" is how many processes wanted the cores while it was measured, ours among them.

| | promise | gate | measured | | on |
|---|---|---|---|---|---|
"""
ROW = re.compile(r"^\| (R\d+) \|.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Promise:
    """`measure` is given the scale: 1 for the gate as it stands."""

    says: str
    gate: str
    measure: Callable[[float], Awaitable[Figure]]


def write(file: Path, name: str, promise: Promise, figure: Figure) -> None:
    """Puts one row in its place and leaves the others, and what stands below the table, as they are."""
    text = file.read_text() if file.exists() else HEAD.format(kafka=KAFKA, s3=S3)
    rows = {found[1]: found[0] for found in ROW.finditer(text)}
    load = f"load {os.getloadavg()[1]:.0f} on {os.cpu_count()} cores"
    day = f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {load}"
    verdict = "kept" if figure.kept else "**broken**"
    rows[name] = f"| {name} | {promise.says} | {promise.gate} | {figure.measured} | {verdict} | {day} |"
    head, _, tail = text.partition("|---|---|---|---|---|---|\n")
    below = ROW.sub("", tail).strip()
    table = "\n".join(rows[each] for each in sorted(rows, key=lambda each: int(each[1:])))
    file.write_text(f"{head}|---|---|---|---|---|---|\n{table}\n" + (f"\n{below}\n" if below else ""))
