"""The process of one part: `python -m benchmarks.gpu_day.part_process PLAN PART FUNCTION OUT LIMIT_S`.

Appends each finding to OUT at once, one JSON object per line, so that what was found before a crash is not lost. The
last line says how the part ended. A part that takes almost LIMIT_S seconds writes where it is into its log.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.gpu_day.plan import DayPlan
from benchmarks.gpu_day.result import Check, Finding, NonsenseError, SkippedError, require_sense

Measure = Callable[[DayPlan], Iterator[Finding]]
TO_TELL_S = 15.0
"""So long before its end, or at half its time, a part writes where it is: it may hang."""


def main(plan_file: str, part: str, function: str, out: str, limit_s: str) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    faulthandler.enable()
    faulthandler.dump_traceback_later(float(limit_s) - min(TO_TELL_S, float(limit_s) / 2))
    plan = DayPlan.model_validate_json(Path(plan_file).read_text(encoding="utf-8"))
    with Path(out).open("a", encoding="utf-8", buffering=1) as lines:
        end = _run(plan, part, function, lambda line: lines.write(json.dumps(line) + "\n"))
    sys.stdout.flush()
    sys.stderr.flush()
    # A device that has failed may hang when torch is torn down.
    os._exit(end)


def _run(plan: DayPlan, part: str, function: str, write: Callable[[dict[str, object]], object]) -> int:
    """The exit code. Writes the findings, and how the part ended."""
    empty = True
    try:
        module, name = function.split(":")
        measure: Measure = getattr(importlib.import_module(module), name)
        if fault := plan.faults.get(part):
            from benchmarks.gpu_day.faults import install

            install(fault)
        for finding in measure(plan):
            sound, empty = require_sense(finding), False
            write({"check" if isinstance(sound, Check) else "figure": sound.model_dump(mode="json")})
        if empty:
            raise NonsenseError("returned nothing")
    except SkippedError as reason:
        write({"end": "skipped", "reason": str(reason)})
        return 0
    except NonsenseError as nonsense:
        write({"end": "failed", "reason": str(nonsense)})
        return 1
    except Exception as error:
        traceback.print_exc()
        first = (str(error).strip() or "without a message").splitlines()[0]
        write({"end": "failed", "reason": f"{type(error).__name__}: {first}"})
        return 1
    write({"end": "right", "reason": ""})
    return 0


if __name__ == "__main__":
    main(*sys.argv[1:])
