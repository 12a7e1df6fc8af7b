"""Converts a pickle to safetensors in a child process, for opening it can run code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from models.catalog.pickles import PICKLES, ncnn_message
from models.files.weights_error import WeightsError


def convert(file: Path) -> Path:
    """Writes `file` as safetensors beside it, and returns the path of that. Raises WeightsError."""
    target = file.with_suffix(".safetensors")
    if file.suffix.lower() not in PICKLES:
        raise WeightsError(f"{file.name} is no {', '.join(sorted(PICKLES))} file; only those are converted")
    if ncnn_message(file):
        raise WeightsError(
            f"{file.name} is half of an ncnn model, which is used as it is; put both halves into the models folder"
        )
    if not file.is_file():
        raise WeightsError(f"{file} does not exist; correct the path")
    if target.exists():
        raise WeightsError(f"{target} exists already and is not overwritten; move it away first")
    child = [sys.executable, "-m", "models.loading.pickle_child", str(file.absolute()), str(target.absolute())]
    done = subprocess.run(child, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    if done.returncode < 0:
        raise WeightsError(f"{file.name} ended the process that read it (signal {-done.returncode}); copy it again")
    if done.returncode:
        raise WeightsError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"{file.name} was not read")
    return target
