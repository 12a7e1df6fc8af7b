"""What may be said to `hua bench`; in a file of its own, for every command of `hua` reads it."""

from __future__ import annotations

import argparse
from pathlib import Path

from server.commands.bench.plan import PARTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:N")
    parser.add_argument("--out", type=Path, help="folder for the report; default bench-DATE")
    parser.add_argument("--toy", action="store_true", help="toy models: shows that all works; no number means anything")
    parser.add_argument("--model", default="", help="an installed model; default nets of full size, weights of chance")
    parser.add_argument("--quick", action="store_true", help="a few goes of each, and no compiled baseline")
    parser.add_argument("--no-compile", action="store_true", help="leave the compiled baseline out")
    parser.add_argument("--lanes", type=int, help="how many device processes at once; default one for each GPU")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--url", default="", help="measure the service of a Hua that runs, instead of one of our own")
    parser.add_argument("--no-plots", action="store_true", help="no pictures; needs no matplotlib")
    parser.add_argument("--keep-models", action="store_true", help="leave the nets of full size in the folder, 10 GB")
