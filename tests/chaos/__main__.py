"""The long run: `python -m tests.chaos --tasks 1500 --worker-kills 100 …`; a flag for each kind of fault.

Prints a table, and writes the numbers and the history as JSON. Ends with 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import secrets
import sys
import tempfile
from pathlib import Path

from tests.chaos.crash import POINTS
from tests.chaos.faults import Counts
from tests.chaos.mutants import MUTANTS, plan
from tests.chaos.run import Plan, Verdict, carry_out
from tests.chaos.toll import tolls

LONG = Counts(
    worker_kills=100,
    worker_pauses=30,
    worker_drains=10,
    device_kills=10,
    controller_kills=20,
    controller_pauses=5,
    api_kills=5,
    redis_kills=6,
    redis_stale=6,
    flushes=3,
    broker_kills=4,
    s3_outages=4,
    repeats=50,
    network_delays=10,
    network_cuts=6,
    clock_jumps=20,
)
EACH_POINT = 20
INVARIANTS = ("I1", "I2", "I3", "I4", "I6", "I7", "I8", "I11", "I13", "I16", "I18")


def main() -> None:
    arguments = _parser().parse_args()
    say = sys.stdout.write
    if arguments.mutants is not None:
        escaped = [name for name in arguments.mutants or MUTANTS if not _caught(name)]
        sys.exit(f"not caught: {', '.join(escaped)}" if escaped else None)
    counts = Counts(**{name: getattr(arguments, name) for name in Counts.names()})
    rounds = arguments.crash_points
    one = Plan(
        seed=arguments.seed,
        tasks=0 if rounds else arguments.tasks,
        horizon_s=arguments.seconds,
        counts=Counts() if rounds else counts,
        workers=arguments.workers,
        poison=0 if rounds else arguments.poison,
        patience_s=180,
        rounds=rounds,
    )
    say(f"seed {one.seed}: --seed {one.seed} with the same counts plans the same faults\n")
    verdict = carry_out(one, Path(tempfile.mkdtemp(prefix="hua-chaos-")))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    verdict.save(arguments.out)
    say(points_table(verdict) if rounds else "")
    say(table(verdict))
    if verdict.broken:
        sys.exit(str(verdict))


def table(verdict: Verdict) -> str:
    """As benchmarks/results has it."""
    faults = dataclasses.asdict(verdict.plan.counts)
    rows = {name.replace("_", " "): count for name, count in faults.items()}
    broken = {name: sum(one.invariant == name for one in verdict.broken) for name in INVARIANTS}
    numbers = {
        name: ", ".join(f"{count} {each}" for each, count in number.items()) if isinstance(number, dict) else number
        for name, number in verdict.numbers.items()
    }
    took = {"seconds in all": round(verdict.took_s), "of them after the last fault": round(verdict.settled_s, 1)}
    sections = {"faults": rows, "seen": numbers | took, "promises broken": broken}
    return "\n".join(
        "\n".join([f"| {title} | |", "|---|---|", *(f"| {name} | {value} |" for name, value in section.items()), ""])
        for title, section in sections.items()
    )


def points_table(verdict: Verdict) -> str:
    """What crashes at each point cost, as benchmarks/results has it."""
    rows = [
        f"| {each.point} {POINTS.get(each.point, '')} | {each.reached} | {each.under_way} | "
        f"{each.lost} | {each.twice} | {each.other} |"
        for each in tolls(verdict.history, verdict.broken)
    ]
    head = ["| crash | times | tasks under way | lost | twice | broken else |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *rows, "", ""])


def _caught(name: str) -> bool:
    """Whether the checker accuses this version, and not Hua as it is under the same faults."""
    wrong = plan(name, seed=1)
    found, unjustly = (_accused(each) for each in (wrong, dataclasses.replace(wrong, mutant="")))
    sys.stdout.write(f"{name}: {MUTANTS[name].caught} in {found}; the right version: {unjustly}\n")
    return MUTANTS[name].caught in found and not unjustly


def _accused(one: Plan) -> list[str]:
    verdict = carry_out(one, Path(tempfile.mkdtemp(prefix="hua-mutant-")))
    return sorted({each.invariant for each in verdict.broken})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    for name in Counts.names():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(LONG, name), metavar="N")
    parser.add_argument("--tasks", type=int, default=1500, metavar="N")
    parser.add_argument("--poison", type=int, default=10, metavar="N", help="how many of the tasks kill every device")
    parser.add_argument("--workers", type=int, default=6, metavar="N")
    parser.add_argument("--seconds", type=float, default=360, metavar="S", help="over which all is spread")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--out", type=Path, default=Path(".data/chaos.json"))
    parser.add_argument(
        "--crash-points",
        type=int,
        nargs="?",
        const=EACH_POINT,
        default=0,
        metavar="N",
        help="instead N rounds of a crash at each named point",
    )
    parser.add_argument("--mutants", nargs="*", choices=MUTANTS, help="instead see that wrong versions are caught")
    return parser


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
