"""Builds no toys: `python -m tests.support.toy_builder DATA/models` does what the folder DATA is called."""

import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    data = Path(sys.argv[1]).parent
    sys.stdout.write("1/2 toy-sd1\n")
    sys.stdout.flush()
    if data.name == "fails":
        sys.exit("no space left")
    if data.name == "hangs":
        data.with_suffix(".pid").write_text(str(os.getpid()))
        signal.pause()
    sys.stderr.write("a library warns\n")
    sys.stdout.write("2/2 models.yaml\n")
