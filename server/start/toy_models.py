"""The toy models of a `hua serve` that has no others: built at its first start, in a child process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import sys
import time
from asyncio.subprocess import PIPE, STDOUT
from typing import cast

from models.catalog.entry import TOY
from models.catalog.scan import Scanner
from models.toy.world import BACKGROUNDS, COLOURS, NOUNS
from server.settings import Settings, SettingsError
from server.worker.device_process import torch_environment

log = logging.getLogger(__name__)
BUILDER = "models.toy"
LOGGED_LINES = 4
"""Lines of progress in a log; a terminal shows all of them, in one line."""


def words() -> str:
    """What the default toy can paint, for people."""
    things, colours, places = (", ".join(each) for each in (NOUNS, COLOURS, BACKGROUNDS))
    return f'{things}; {colours}; {places}; as in "a red house on the grass"'


async def ensure_models(settings: Settings, builder: str = BUILDER) -> None:
    """Builds the toy models if there are no others. This process must not import torch, so a child does it.

    builder: the module that the child runs, with the folder as its argument.

    Raises SettingsError.
    """
    folder = settings.models_path
    if settings.models_dir is not None or (folder / "models.yaml").exists():
        return
    found, _ = Scanner().scan([folder])  # a build that was killed leaves toys without `models.yaml`
    if any(not model.path.name.startswith(TOY) for model in found):
        return
    log.info("there are no models in %s yet; building toy models there, which takes about 15 s", folder)
    began = time.monotonic()
    command = [sys.executable, "-m", builder, str(folder)]
    child = await asyncio.create_subprocess_exec(*command, env=torch_environment(settings), stdout=PIPE, stderr=STDOUT)
    try:
        last_line = await _show_progress(cast(asyncio.StreamReader, child.stdout))
        code = await child.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
    if code != 0:
        raise SettingsError(
            f"the toy models cannot be built in {folder} ({last_line or f'exit code {code}'}); check that its disk has "
            "100 MiB left and that torch is installed, or set HUA_MODELS_DIR to a folder of your own models"
        )
    log.info("built the toy models in %.0f s", time.monotonic() - began)


async def _show_progress(lines: asyncio.StreamReader) -> str:
    """Shows lines such as `3/31 toy-sdxl`; the last line is the reason, if the build fails."""
    line, logged = "", 0
    async for encoded in lines:
        line = encoded.decode(errors="replace").strip()
        progress = re.match(r"(\d+)/(\d+) ", line)
        if progress is None:
            continue
        number, count = map(int, progress.groups())
        if sys.stderr.isatty():
            print(f"\r\033[K{line}", end="\n" if number == count else "", file=sys.stderr, flush=True)  # noqa: T201
        elif number * LOGGED_LINES // count > logged:
            logged = number * LOGGED_LINES // count
            log.info("toy models: %s", line)
    return line
