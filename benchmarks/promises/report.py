"""The table of promises: one row each, with the day of its last measurement."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.promises.trial import TrialResult
from tests.support.kafka_server import VERSION as KAFKA
from tests.support.s3_server import VERSION as S3

HEAD = """# Promises

What Hua promises of a cluster, and what was measured. `python -m benchmarks.promises R6` prints the row of R6 and
writes it here. Without a name it measures all of them, which takes about an hour. Each run uses real roles, one process
each, with a real Redis, Kafka {kafka} of one node and versitygw {s3}, all on one machine. Only the device is simulated,
at 20 ms a step unless the row says otherwise. Leases last 2 s instead of 30. "0" means that none was observed, not that
it is impossible. "load" is the load average during the measurement, the benchmark's own processes included.

| | promise | gate | measured | | on |
|---|---|---|---|---|---|
"""
ROW = re.compile(r"^\| (R\d+) \|.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Promise:
    title: str
    gate: str
    """What the result must reach."""
    measure: Callable[[float], Coroutine[Any, Any, TrialResult]]
    """Takes the scale; the gate holds for 1."""


def write(file: Path, name: str, promise: Promise, result: TrialResult) -> None:
    """Replaces one row; the other rows and the text below the table stay unchanged."""
    text = file.read_text() if file.exists() else HEAD.format(kafka=KAFKA, s3=S3)
    rows = {found[1]: found[0] for found in ROW.finditer(text)}
    load = f"load {os.getloadavg()[1]:.0f} on {os.cpu_count()} cores"
    day = f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {load}"
    verdict = "kept" if result.passed else "**broken**"
    rows[name] = f"| {name} | {promise.title} | {promise.gate} | {result.text} | {verdict} | {day} |"
    head, _, tail = text.partition("|---|---|---|---|---|---|\n")
    below = ROW.sub("", tail).strip()
    table = "\n".join(rows[each] for each in sorted(rows, key=lambda each: int(each[1:])))
    file.write_text(f"{head}|---|---|---|---|---|---|\n{table}\n" + (f"\n{below}\n" if below else ""))
