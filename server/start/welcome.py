"""What a person who has started the server reads: what tasks wait for, and, once they run, where to go."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from models.catalog.catalog import BrokenModelError, Catalog, UnknownModelError
from server.api.readiness import NotReadyError, Readiness
from server.services import Services, public_url
from server.start.toy_models import words

log = logging.getLogger(__name__)
CHECK_S = 0.2
LOGGED_EVERY_S = 15.0
"""How often the reason is logged while the server is not ready."""


async def log_when_ready(services: Services) -> None:
    """For a role that other processes work for: they may become ready at any time."""
    await until_ready(services)
    log.info("ready: tasks sent to %s run", public_url(services.settings))
    await asyncio.Event().wait()


async def welcome(services: Services) -> None:
    """Prints three lines when the first task would run; logs them, if machines read the log."""
    await until_ready(services)
    for line in welcome_lines(services):
        if services.settings.log_format == "json":
            log.info(line)
        else:
            print(line, flush=True)  # noqa: T201
    await asyncio.Event().wait()


async def until_ready(services: Services) -> None:
    """Returns when /readyz says that tasks are accepted and run; logs from time to time what is missing."""
    log.info("%s answers; tasks wait until a worker is ready", public_url(services.settings))
    readiness, logged_at = Readiness(services), time.monotonic()
    while True:
        try:
            await readiness.check()
            return
        except NotReadyError as error:
            if time.monotonic() - logged_at > LOGGED_EVERY_S:
                log.info("not ready yet: %s", error)
                logged_at = time.monotonic()
        await asyncio.sleep(CHECK_S)


def welcome_lines(services: Services) -> Sequence[str]:
    settings = services.settings
    folder = settings.models_path.absolute()
    refresh = "" if settings.models_refresh else ", and run `hua models refresh`"
    return (
        f"Hua is ready. Open {public_url(settings)} in a browser.",
        _about(services.catalog),
        f"To add a model, put its file (.safetensors) into {folder}{refresh}. Within seconds you can name it in tasks, "
        "or choose it on the page.",
    )


def _about(catalog: Catalog) -> str:
    unusable = [problem for problem in catalog.problems if problem.names]
    broken = "".join(f" {problem.names[0]} cannot be used: {problem.message}." for problem in unusable[:1])
    more = f" {len(unusable) - 1} more cannot be used; `hua models` lists them." if len(unusable) > 1 else ""
    return _painters(catalog) + broken + more


def _painters(catalog: Catalog) -> str:
    try:
        default = catalog.default
    except BrokenModelError:
        return "No model paints, because the default model cannot be used."
    except UnknownModelError:
        return "No model paints, because there is no checkpoint yet."
    if default.is_toy:
        return f"Its models are toys that know these words only: {words()}."
    return f"It has {len(catalog.entries)} models. Tasks that name none use {default.name}."
