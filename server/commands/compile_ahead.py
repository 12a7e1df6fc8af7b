"""`hua compile`: fills the folder of compiled passes ahead, so that it can be shipped to workers."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.settings import Settings, SettingsError

if TYPE_CHECKING:
    from models.diffusion.checkpoint import Checkpoint
    from pipelines.engine.execution.compile_policy import Compilation
    from pipelines.engine.execution.cuda_graphs import Graphs

DEFAULT_SIZE = 512
SIZE = re.compile(r"(\d+)x(\d+)")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("models", nargs="*", metavar="MODEL", help="default: every checkpoint of models.yaml")
    parser.add_argument(
        "--size",
        action="append",
        default=[],
        type=_size,
        metavar="WxH",
        help="default: the size that each was trained at",
    )
    parser.add_argument(
        "--images",
        action="append",
        default=[],
        type=int,
        metavar="N",
        help="guided images that share a step; default 1",
    )


def compile_ahead(
    settings: Settings, names: Sequence[str], sizes: Sequence[tuple[int, int]], images: Sequence[int]
) -> Iterator[tuple[Path, bool]]:
    """Compiles the guided steps of these checkpoints that are not compiled yet.

    Yields each file, and whether it was compiled. Raises SettingsError.
    """
    if settings.compile is None:
        raise SettingsError("HUA_COMPILE is not set; set it to a folder, here and for the workers")
    from models import catalog
    from models.kinds import CHECKPOINT_FAMILIES
    from models.registry import loaders
    from pipelines.engine.execution.compile_policy import Compilation
    from pipelines.engine.execution.cuda_graphs import Graphs
    from pipelines.engine.execution.graph_capture import capture_on
    from server.worker.torch_device import device_for

    device, models = device_for(settings.device), catalog.read(*settings.models_paths)
    graphs = Graphs(capture_on(device), compilation=_writable(Compilation(settings.compile, compile_after=1)))
    entries = [models.find(name) for name in names] or [each for each in models if each.family in CHECKPOINT_FAMILIES]
    for entry in entries:
        if entry.family not in CHECKPOINT_FAMILIES:
            raise SettingsError(f"{entry.name} is of family {entry.family}; only steps of checkpoints are compiled")
        side = entry.side or DEFAULT_SIZE
        checkpoint: Any = loaders.load(entry, device, loaders.dtype_for(device))
        for (width, height), count in product(sizes or [(side, side)], images or [1]):
            yield from _compiled(checkpoint, graphs, width, height, count)


def _writable(compilation: Compilation) -> Compilation:
    if compilation.compiler.read_only:
        raise SettingsError("the folder HUA_COMPILE cannot be written to; fill another one, and ship it")
    return compilation


def _compiled(
    checkpoint: Checkpoint, graphs: Graphs, width: int, height: int, images: int
) -> Iterator[tuple[Path, bool]]:
    """Runs steps until their pass is known, waits for the compiler, and runs one more step, which tries the file."""
    import torch

    from pipelines.engine.batch import Batch
    from pipelines.engine.execution.cuda_graphs import TRIAL_STEPS
    from pipelines.engine.warmup import trajectories

    batch = Batch(trajectories(checkpoint, width, height, images, TRIAL_STEPS + 1), graphs)
    with torch.inference_mode():
        for _ in range(TRIAL_STEPS):
            batch.step()
    if graphs.compilation is not None:
        yield from graphs.compilation.finish()
    with torch.inference_mode():
        batch.step()


def _size(text: str) -> tuple[int, int]:
    match = SIZE.fullmatch(text)
    if match is None or any(int(side) % 8 for side in match.groups()):
        raise ArgumentTypeError(f"{text!r} is not a size; write WIDTHxHEIGHT, both multiples of 8, such as 512x768")
    width, height = map(int, match.groups())
    return width, height
