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
from functools import partial
from pathlib import Path

from tests.chaos.crash import POINTS
from tests.chaos.crash_cost import crash_costs
from tests.chaos.faults import Counts
from tests.chaos.mutants import MUTANTS
from tests.chaos.run import Plan, Verdict, carry_out
from tests.chaos.trials import trials, until_caught

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
EACH_POINT, PATIENCE_S = 20, 180.0
INVARIANTS = ("I1", "I2", "I3", "I4", "I6", "I7", "I8", "I11", "I13", "I16", "I18")


def main() -> None:
    arguments = _parser().parse_args()
    say = partial(print, end="", flush=True)  # one run may take minutes
    if arguments.mutants is not None:
        wrong = [name for name in arguments.mutants or MUTANTS if not _judged_well(name, arguments.times)]
        sys.exit(f"not judged as they should be: {', '.join(wrong)}" if wrong else None)
    one = _planned(arguments)
    say(f"seed {one.seed}: --seed {one.seed} with the same counts plans the same faults\n")
    verdict = carry_out(one, Path(tempfile.mkdtemp(prefix="hua-chaos-")))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    verdict.save(arguments.out)
    say(points_table(verdict) if one.rounds else "")
    say(table(verdict))
    if verdict.broken:
        sys.exit(str(verdict))


def _planned(given: argparse.Namespace) -> Plan:
    if given.crash_points:
        return Plan(given.seed, 0, 0.0, Counts(), given.workers, patience_s=PATIENCE_S, rounds=given.crash_points)
    counts = Counts(**{name: getattr(given, name) for name in Counts.names()})
    return Plan(
        given.seed, given.tasks, given.seconds, counts, given.workers, poison=given.poison, patience_s=PATIENCE_S
    )


def table(verdict: Verdict) -> str:
    """As benchmarks/results has it."""
    faults = dataclasses.asdict(verdict.plan.counts)
    rows = {name.replace("_", " "): count for name, count in faults.items() if not verdict.plan.rounds}
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
        if section
    )


def points_table(verdict: Verdict) -> str:
    """What crashes at each point cost, as benchmarks/results has it."""
    rows = [
        f"| {each.point} {POINTS.get(each.point, '')} | {each.reached} | {each.under_way} | "
        f"{each.lost} | {each.twice} | {each.other} |"
        for each in crash_costs(verdict.history, verdict.broken)
    ]
    head = ["| crash | times | tasks under way | lost | twice | broken else |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *rows, "", ""])


def _judged_well(name: str, times: int) -> bool:
    """Whether the checker accuses this version, and never Hua as it is under the same faults."""
    tried = []
    for trial in trials(name, range(1, times + 1)) if times else until_caught(name):
        sys.stdout.write(f"{trial}\n")
        tried.append(trial)
    caught = sum(trial.caught for trial in tried)
    sys.stdout.write(f"{name}: caught in {caught} of {len(tried)}\n")
    return caught > 0 and not any(trial.unjustly for trial in tried)


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
    parser.add_argument("--times", type=int, default=0, metavar="N", help="try each of them N times, caught or not")
    return parser


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
