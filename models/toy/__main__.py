"""`python -m models.toy DIR` builds the toy models in DIR, and prints a line for each."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import torch

from models.toy.build import build

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m models.toy DIR")
    torch.set_num_threads(1)  # as fast as many for tensors this small, and on a busy machine much faster
    build(Path(sys.argv[1]), partial(print, flush=True))
    os._exit(0)  # to tear torch down takes two seconds
