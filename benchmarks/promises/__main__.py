"""Measures what Hua promises of a cluster: `python -m benchmarks.promises [R6 R7 …] [--scale 0.1]`.

Runs the roles of the chaos harness with its own Redis, Kafka and S3 server. Only the device is simulated, and leases
last 2 s instead of 30. Prints one row for each promise, and at full scale also writes it into
`benchmarks/results/promises.md`. Exits with 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from benchmarks.promises import admission, callbacks, chaos, fairness, outages, retention, speed, workers
from benchmarks.promises.report import Promise, write
from benchmarks.promises.trial import TrialResult

PROMISES = {
    "R1": Promise(
        "workers killed: nothing lost, nothing twice",
        "1,000 tasks, 100 kill -9: 0 lost, 0 charged twice, ≤ 1.25 runs a task",
        chaos.workers_killed,
    ),
    "R2": Promise(
        "a worker or its device dies: its task is taken up again",
        "device p99 ≤ 2 s; worker ≤ lease + 2 s",
        workers.recovery,
    ),
    "R3": Promise(
        "workers held still for longer than a lease do no harm", "30 pauses: 0 effects", chaos.workers_paused
    ),
    "R4": Promise(
        "controllers killed: nothing lost, nothing twice", "30 kill -9: as R1; stall ≤ 15 s", chaos.controllers_killed
    ),
    "R5": Promise(
        "Redis started empty, come back older, emptied",
        "6 + 6 + 3: as R1; recovered ≤ 60 s; no more run again than ran",
        chaos.redis_lost,
    ),
    "R6": Promise(
        "Kafka killed for 60 s under 20 submissions a second",
        "accepted: 0 lost; refused with 503, none after more than 6 s",
        outages.broker,
    ),
    "R7": Promise("S3 away for 60 s", "0 lost, 0 failed; backlog drained in ≤ 2 × the outage", outages.bucket),
    "R8": Promise(
        "a receiver of callbacks is down, answers 500 to half, takes 30 s",
        "all delivered after; p95 at other hosts ≤ 1.1 × as without",
        callbacks.isolation,
    ),
    "R9": Promise(
        "a role kills itself at each of fifteen named steps, 20 times", "0 lost, 0 twice", chaos.crash_points
    ),
    "R10": Promise("10 tasks that kill every device, 200 that do not", "poison ≤ 3 runs; 200 of 200", chaos.poison),
    "R11": Promise(
        "SIGTERM to each worker in turn, 20 times", "0 lost, 0 attempts burned, exit < grace", workers.drain
    ),
    "R12": Promise(
        "500 parallel submits, limit 4, 50 tenants", "never > 4; exact 7001s; 0 slots leaked", admission.task_limit
    ),
    "R13": Promise("one Idempotency-Key, 100 at once, and across a FLUSHALL", "1 task", admission.idempotent),
    "R14": Promise(
        "a light tenant beside one with a hundred times as much",
        "its p95 ≤ 2 × alone; share error ≤ 5 %",
        fairness.light_beside_heavy,
    ),
    "R16": Promise("from submit to start on an idle worker", "p50 ≤ 30 ms, p99 ≤ 250 ms", speed.dispatch),
    "R17": Promise("lease cycles with 100,000 waiting", "≥ 2,000 a second, lease p99 ≤ 5 ms", speed.scheduler),
    "R18": Promise(
        "200 queued, 200 running are canceled", "queued never run; running p99 ≤ 1 step + 5 s", workers.cancel
    ),
    "R19": Promise(
        "1,000 images of the 5-minute tier; the others by a clock of our own",
        "no answer 1 s after expiry; objects gone ≤ 60 s later; 0 early; 0 orphans",
        retention.deletion,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.promises", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="R", help=f"to measure: {', '.join(PROMISES)}; default all")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the full size; below 1 writes nothing")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/promises.md"), help="the table")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(PROMISES):
        parser.error(f"unknown promise: {', '.join(sorted(unknown))}; use one of {', '.join(PROMISES)}")
    broken = []
    for name in arguments.names or PROMISES:
        promise = PROMISES[name]
        result: TrialResult = asyncio.run(promise.measure(arguments.scale))
        verdict = "kept" if result.passed else "BROKEN"
        print(f"{name}  {promise.title}  {promise.gate}  {result.text}  {verdict}", flush=True)
        if arguments.scale >= 1:
            write(arguments.out, name, promise, result)
        broken += [] if result.passed else [name]
    if broken:
        sys.exit(f"broken: {', '.join(broken)}")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
