"""Starts roles fast: `python -m tests.chaos.fork_server [MUTANT]` imports everything once, and forks for each line.

Each line on standard input names a role, perhaps with a number (worker-3); the answer is the id of its process, which
leads a group of its own.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.chaos import clocks, crash, short_timeouts
from tests.chaos.pools import folder_of

Role = Callable[..., Coroutine[Any, Any, None]]


def roles_of(mutants: list[str]) -> dict[str, Role]:
    """The roles as operators start them, with short timeouts, and with a mutant if one is named."""
    short_timeouts.apply()
    import server.broker.kafka.broker
    import server.broker.sqlite.broker
    import server.controller
    import server.queue.redis.queue
    import server.storage.s3  # noqa: F401
    from server import roles
    from server.worker import worker  # noqa: F401
    from tests.chaos.mutants import MUTANTS

    for name in mutants:
        MUTANTS[name].change()
    if folder := os.environ.get("CHAOS_CRASHES"):
        crash.install(Path(folder))

    async def one_worker(settings: Any, number: str) -> None:
        settings = settings.model_copy(update={"models_dir": folder_of(settings.models_dir, int(number))})
        await roles.worker(settings, device=f"fake:{number}", child="tests.chaos.device")

    def unnumbered(role: Callable[[Any], Coroutine[Any, Any, None]]) -> Role:
        return lambda settings, number: role(settings)

    return {"api": unnumbered(roles.api), "controller": unnumbered(roles.controller), "worker": one_worker}


def live(role: Role, number: str) -> None:
    """The life of a forked process."""
    from server.observability.logs import set_up_logs
    from server.process.event_loop import run
    from server.settings import Settings

    for changed in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(changed, signal.SIG_DFL)
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    settings = Settings.load()
    set_up_logs(settings)
    run(role(settings, number))


def main() -> None:
    clock = clocks.install()
    roles = roles_of(sys.argv[1:])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children need no wait()
    for ignored in (signal.SIGINT, signal.SIGTERM):  # the deployment ends the roles
        signal.signal(ignored, signal.SIG_IGN)
    gc.freeze()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    answers.write("ready\n")
    for line in sys.stdin:
        if pid := os.fork():
            with contextlib.suppress(ProcessLookupError):
                os.setpgid(pid, pid)  # before its pid is reported, because it may be killed at once
            answers.write(f"{pid}\n")
            continue
        try:
            os.setpgid(0, 0)
            clock.follow(Path(os.environ["CHAOS_CLOCKS"]) / line.strip())
            role, _, number = line.strip().partition("-")
            live(roles[role], number)
        finally:
            os._exit(0)
    for child in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
        os.killpg(int(child), signal.SIGKILL)  # the deployment is gone


if __name__ == "__main__":
    main()
