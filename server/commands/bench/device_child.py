"""The process that measures on the device: `python -m server.commands.bench.device_child PLAN OUT PART…`.

Appends each figure to OUT at once, one JSON object per line, so that a crash loses no earlier figure.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch

from server.commands.bench import components, generation
from server.commands.bench.plan import Plan
from server.commands.bench.results import Figure

log = logging.getLogger(__name__)

Measure = Callable[[Plan, torch.device], Iterator[Figure]]
MEASURES: Mapping[str, Measure] = {
    "single": generation.single,
    "crowd": generation.crowd,
    "curve": components.curve,
    "pieces": components.pieces,
    "swap": components.swap,
    "idle": components.idle,
}


def measure(plan: Plan, part: str, device: torch.device) -> Iterator[Figure]:
    """The figures of a part; a failure becomes a figure with a note, so that the other parts still run."""
    try:
        yield from MEASURES[part](plan, device)
    except Exception as error:
        log.exception("%s could not be measured", part)
        message = str(error).partition("\n")[0]
        yield Figure.missing(part, f"the part {part!r}", f"failed: {type(error).__name__}: {message}")


def main(plan_file: str, out: str, *parts: str) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    plan = Plan.model_validate_json(Path(plan_file).read_text(encoding="utf-8"))
    device = torch.device(plan.device)
    with Path(out).open("a", encoding="utf-8") as lines:
        for part in parts:
            for figure in measure(plan, part, device):
                lines.write(figure.model_dump_json() + "\n")
                lines.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
