"""For answers that are the result itself: submit tasks, and wait for their ends without holding a thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from starlette.types import Receive

from server.broker import BrokerUnavailableError
from server.queue import QueueUnavailableError, View
from server.services import Services
from server.storage.bucket import BucketUnavailableError
from server.task import Manifest, Status, Task
from server.tasks.lookup import UnknownTaskError, cancel, find_record, load_record, wait_until_ended
from server.tasks.submission import Submission, submit

WATCH_S = 60.0
"""How long one watch lasts before the record is read again."""
PAUSE_S = 0.5
"""Pause after a watch that ended early, because the queue cannot be reached."""


FAULTS_OF_REQUESTS = frozenset({"bad_input", "bad_model", "too_large"})
"""Codes of failed tasks for which the request is to blame."""


class TaskFailedError(Exception):
    """A task that a request waited for has failed, by a fault of the server."""


class FaultyTaskError(TaskFailedError):
    """A task that a request waited for has failed, by a fault of the request."""


class WithheldError(Exception):
    """The audit withholds every image of a request."""


class ClientGoneError(Exception):
    """The client hung up while its request waited for tasks. There is no one to answer."""


async def submit_all(services: Services, submissions: Sequence[Submission]) -> list[View]:
    """Accepts all of these tasks, or none: if one is refused, those before it are canceled.

    Those with an Idempotency-Key stay: another request may wait for them, and a repeated one needs them.
    Raises what `submit` raises.
    """
    views: list[View] = []
    try:
        for submission in submissions:
            views += [await submit(services, submission)]
    except BaseException:
        accepted = zip(views, submissions, strict=False)
        await cancel_all(services, [view for view, submission in accepted if submission.idempotency_key is None])
        raise
    return views


async def wait_for_all(services: Services, views: Sequence[View], receive: Receive, *, cancels: bool) -> list[Manifest]:
    """The results of tasks, once all have ended: in the order of `views`, however they ended.

    `receive` is that of a request whose body has been read. `cancels`: whether the tasks are canceled if its client
    hangs up; else they run on, and their results stay in GET /v1/tasks. Raises ClientGoneError, UnknownTaskError.
    """
    ends = asyncio.gather(*(wait_for_end(services, view) for view in views))
    gone = asyncio.ensure_future(hang_up(receive))
    try:
        futures: tuple[asyncio.Future[object], ...] = (ends, gone)  # type: ignore[assignment]  # Future is invariant
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        if ends.done():
            return ends.result()
    finally:
        ends.cancel()
        gone.cancel()
        await asyncio.gather(ends, gone, return_exceptions=True)  # asyncio logs errors that are never read
    if cancels:
        await cancel_all(services, views)
    raise ClientGoneError("the client hung up while it waited")


def refuse_failed(ended: Sequence[Manifest]) -> None:
    """Raises FaultyTaskError or TaskFailedError if one of these tasks has failed; canceled ones have not."""
    for manifest in ended:
        failure = manifest.outcome.failure
        if manifest.outcome.status is Status.FAILED and failure is not None:
            raise (FaultyTaskError if failure.code in FAULTS_OF_REQUESTS else TaskFailedError)(failure.message)


def refuse_withheld(ended: Sequence[Manifest]) -> None:
    """Raises WithheldError if these tasks have painted images and the audit withholds all of them."""
    images = [image for manifest in ended for image in manifest.images if image.kind == "image"]
    if images and not any(image.safe for image in images):
        raise WithheldError(
            f"the safety audit of this server withholds every image ({images[0].reason}); change the prompt, or the "
            "picture"
        )


async def wait_for_end(services: Services, view: View) -> Manifest:
    """The result of one task. While the queue or the bucket cannot be reached, it is looked for again and again.

    Raises UnknownTaskError if the task was lost.
    """
    record = await load_record(services, view)
    while record.manifest is None:
        record = await wait_until_ended(services, record, WATCH_S)
        if record.manifest is None:
            await asyncio.sleep(PAUSE_S)
    return record.manifest


async def cancel_all(services: Services, views: Sequence[View]) -> None:
    """Cancels what has not ended. A task that cannot be canceled now runs on."""
    await asyncio.gather(*(_cancel(services, view.task) for view in views))


async def _cancel(services: Services, task: Task) -> None:
    with contextlib.suppress(UnknownTaskError, QueueUnavailableError, BucketUnavailableError, BrokerUnavailableError):
        await cancel(services, await find_record(services, task.id, task.tenant))


async def hang_up(receive: Receive) -> None:
    """Returns when the client of a request, whose body has been read, hangs up."""
    while (await receive())["type"] != "http.disconnect":
        pass
