"""`python -m models.toy.training FOLDER [PART…]` trains the toy family and puts its weights beside the code.

FOLDER keeps what is half done: a call that was killed goes on from there. Without parts, all are trained, in order;
each needs those before it. `--scale 0.01` takes a hundredth of the steps, to see that everything runs.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch

from models.toy.training.family import PARTS, Family

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m models.toy.training", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default all")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the steps to take")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU; more than its idle cores slow it down")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; choose of {', '.join(PARTS)}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(arguments.threads)
    family = Family(arguments.folder, arguments.scale)
    for part in arguments.parts or PARTS:
        PARTS[part](family)
