"""The arguments of `hua bench`, in a file of their own because every `hua` command imports them."""

from __future__ import annotations

import argparse
from pathlib import Path

from server.commands.bench.plan import PARTS

OLD_PARTS = {"house": "service"}
"""Old names of parts; accepted for one release."""


def _part(name: str) -> str:
    return OLD_PARTS.get(name, name)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:N")
    parser.add_argument("--out", type=Path, help="folder for the report; default: bench-DATE")
    parser.add_argument(
        "--toy",
        action="store_true",
        help="use toy models; this only checks that the benchmark runs, the numbers mean nothing",
    )
    parser.add_argument("--model", default="", help="an installed model; default: full-size nets with random weights")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, no compiled baseline")
    parser.add_argument("--no-compile", action="store_true", help="skip the compiled baseline")
    parser.add_argument("--lanes", type=int, help="number of device processes to run at once; default: one per GPU")
    parser.add_argument(
        "--only",
        nargs="+",
        type=_part,
        choices=PARTS,
        metavar="PART",
        help=f"measure only these parts: {', '.join(PARTS)}",
    )
    parser.add_argument("--url", default="", help="measure the service of this running Hua instead of starting one")
    parser.add_argument("--no-plots", action="store_true", help="draw no plots; matplotlib is then not needed")
    parser.add_argument("--keep-models", action="store_true", help="keep the full-size nets in the folder (10 GB)")
