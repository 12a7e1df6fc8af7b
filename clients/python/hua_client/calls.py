"""What the clients ask the server, as flows: each endpoint once, with retries."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import time
import uuid
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypedDict, cast
from urllib.parse import quote

from hua_client.base_task import BaseTask, ImageInfo, Json, Origin
from hua_client.errors import (
    ApiError,
    ConnectionFailedError,
    HuaError,
    InvalidRequestError,
    LimitError,
    WaitTimeoutError,
    error_of,
)
from hua_client.events import ENDED, Ended, Event, EventParser, Queued, Running
from hua_client.flow import LOST, Emit, Flow, Open, Pause, Read, Reply, Request, Send, Work
from hua_client.inputs import check_not_withheld, file_bytes, is_file, result_image, result_reference

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 8.0
STREAM_SILENCE_S = 40.0
"""An open stream sends something every 15 s. After this silence it counts as lost."""
UPLOAD_REUSED_S = 12 * 3600
"""The server keeps an upload for a day, and longer if tasks use it."""
PER_PAGE = 50
OUTPUT = ("format", "quality", "metadata")


class Options(TypedDict, total=False):
    """What a submission may have beside its params."""

    priority: Literal["high", "normal", "low"]
    retention: str
    """How long the images are stored: `5m`, `24h`, `7d`, `30d`, or `keep` for without end."""
    callback_url: str
    format: Literal["png", "jpeg", "webp"]
    quality: int
    """Of jpeg and webp, 1 to 100."""
    metadata: bool
    """Whether the parameters are written into the image file."""
    idempotency_key: str
    """The same key is the same task, also in another run of the program. Default: a new one for each call."""


class Calls:
    """`url`: the address of the server, also behind a path prefix.

    `retry_s`: for how many seconds a request is repeated while the server does not answer, or answers 429 or 503.
    """

    def __init__(self, url: str, key: str | None, retry_s: float) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r} is no address of a server; write it as http://127.0.0.1:8000")
        self._url = url.rstrip("/")
        self.origin = Origin(self._url, key)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._retry_s = retry_s
        self._uploads: dict[str, tuple[str, float]] = {}
        """Upload ids, and until when they may be used, by the hash of the file."""

    def submit(self, type: str, params: Mapping[str, Any], options: Options) -> Flow[Json]:
        """The accepted task."""
        return self._submit("/v1/tasks", {"type": type}, "params", params, options)

    def submit_tool(self, tool: str, values: Mapping[str, Any], options: Options) -> Flow[Json]:
        """The accepted task."""
        return self._submit(f"/v1/tools/{quote(tool, safe='')}", {}, "values", values, options)

    def _submit(self, path: str, body: Json, name: str, values: Mapping[str, Any], options: Options) -> Flow[Json]:
        """`name`: what the body calls `values`, which may have images."""
        headers = {"Idempotency-Key": options.get("idempotency_key") or uuid.uuid4().hex}
        body = _envelope(options) | body
        reused = bool(self._uploads)
        sent = yield from self._with_references(values)
        try:
            return (yield from self._json("POST", path, json=body | {name: sent}, headers=headers))
        except InvalidRequestError as error:
            if error.code != "bad_input" or not reused:
                raise
        # The server may have lost an upload that it had.
        self._uploads.clear()
        sent = yield from self._with_references(values)
        return (yield from self._json("POST", path, json=body | {name: sent}, headers=headers))

    def read(self, task_id: str) -> Flow[Json]:
        return self._json("GET", f"/v1/tasks/{task_id}")

    def cancel(self, task_id: str) -> Flow[Json]:
        return self._json("DELETE", f"/v1/tasks/{task_id}")

    def change_retention(self, task_id: str, retention: str) -> Flow[Json]:
        return self._json("PUT", f"/v1/tasks/{task_id}/retention", json={"retention": retention})

    def delete_images(self, task_id: str) -> Flow[Json]:
        return self._json("DELETE", f"/v1/tasks/{task_id}/images")

    def list_tasks(self, status: str | None) -> Flow[None]:
        """Emits all tasks, newest first. New tasks move those that are left to later pages; none comes twice."""
        seen: set[str] = set()
        for page in itertools.count(1):
            query: dict[str, str | int] = {"page": page, "per_page": PER_PAGE} | ({"status": status} if status else {})
            reply = yield from self._json("GET", "/v1/tasks", query=query)
            for task in reply["tasks"]:
                if task["id"] not in seen:
                    seen.add(task["id"])
                    yield Emit(task)
            if page * PER_PAGE >= reply["total"]:
                return

    def list_models(self, query: Mapping[str, str]) -> Flow[list[Json]]:
        reply = yield from self._json("GET", "/v1/models", query=query)
        return cast(list[Json], reply["data"])

    def list_tools(self) -> Flow[list[Json]]:
        reply = yield from self._json("GET", "/v1/tools")
        return cast(list[Json], reply["data"])

    def download(self, image: ImageInfo) -> Flow[bytes]:
        """The image file. Raises WithheldError, GoneError."""
        check_not_withheld(image)
        reply = yield from self._exchange(Send(Request("GET", self._own(image.url))))
        return reply.body

    def save(self, image: ImageInfo, path: Path) -> Flow[Path]:
        image.check_suffix(path)
        yield Work(partial(path.write_bytes, (yield from self.download(image))))
        return path

    def save_all(self, task: BaseTask[Any], path: str | Path) -> Flow[list[Path]]:
        """Raises ValueError if the task has no image."""
        task.image.check_suffix(Path(path))
        files = task.paths(path)
        for image, file in zip(task.images, files, strict=True):
            yield from self.save(image, file)
        return files

    def upload(self, value: Any) -> Flow[str]:
        """The id of an image on the server. The same image is sent once."""
        image = result_image(value)
        data = b"" if image else (yield Work(partial(file_bytes, value)))
        name = image.sha256 if image else hashlib.sha256(data).hexdigest()
        upload_id, reused_until = self._uploads.get(name, ("", 0.0))
        if time.monotonic() > reused_until:
            if image:
                data = yield from self.download(image)
            upload_id = (yield from self._json("POST", "/v1/files", content=data))["id"]
            self._uploads[name] = upload_id, time.monotonic() + UPLOAD_REUSED_S
        return upload_id

    def follow(self, task_id: str, timeout_s: float | None) -> Flow[None]:
        """Emits the events of a task until it ends. A lost stream is opened again. Raises WaitTimeoutError."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        news = _News()
        for tries in itertools.count():
            try:
                yield from self._open_events(task_id, deadline)
                parser = EventParser()
                while (chunk := (yield Read())) is not None:
                    for event in filter(news.is_new, parser.feed(chunk)):
                        yield Emit(event)
                        if isinstance(event, Ended):
                            return
                    _check(deadline, task_id)
            except (LOST, LimitError):
                _check(deadline, task_id)
            # Some proxies hold a stream back until its end, and other programs may have taken all streams of the key.
            # The answer to this question arrives.
            task = yield from self.read(task_id)
            if task["status"] in ENDED:
                yield Emit(Ended(task["status"], task))
                return
            yield Pause(_backoff(tries))

    def _open_events(self, task_id: str, deadline: float | None) -> Flow[Reply]:
        left_s = STREAM_SILENCE_S if deadline is None else max(0.01, deadline - time.monotonic())
        request = self._request("GET", f"/v1/tasks/{task_id}/events", read_timeout_s=min(STREAM_SILENCE_S, left_s))
        try:
            return (yield from self._exchange(Open(request), deadline))
        except HuaError:
            _check(deadline, task_id)
            raise

    def _with_references(self, value: Any) -> Flow[Any]:
        """A copy of params in which references are in the place of images, at any depth.

        Results that this server has are named; other images are uploaded.
        """
        result = result_image(value)
        if result and result.origin == self.origin:
            return result_reference(result)
        if result or is_file(value):
            return (yield from self.upload(value))
        if isinstance(value, Mapping):
            copy = {}
            for name, child in value.items():
                copy[name] = yield from self._with_references(child)
            return copy
        if isinstance(value, list | tuple):
            children = []
            for child in value:
                children.append((yield from self._with_references(child)))  # noqa: PERF401, a comprehension cannot yield
            return children
        return value

    def _json(self, method: str, path: str, **parts: Any) -> Flow[Json]:
        reply = yield from self._exchange(Send(self._request(method, path, **parts)))
        return cast(Json, json.loads(reply.body))

    def _request(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **parts: Any) -> Request:
        return Request(method, self._url + path, headers={**self._headers, **(headers or {})}, **parts)

    def _own(self, link: str) -> str:
        """A link to an image, at the address by which this client reaches the server: the public one may differ."""
        _, found, rest = link.partition("/files/")
        return f"{self._url}/files/{rest}" if found else link

    def _exchange(self, effect: Send | Open, deadline: float | None = None) -> Flow[Reply]:
        """The answer to a request, which may be sent several times: each one that we send may be repeated safely.

        Raises ApiError, ConnectionFailedError.
        """
        give_up_at = min(time.monotonic() + self._retry_s, deadline or float("inf"))
        for tries in itertools.count():
            failure: HuaError
            try:
                reply: Reply = yield effect
            except LOST as error:
                reason = str(error) or type(error).__name__
                failure, pause_s = (
                    ConnectionFailedError(f"{self._url} does not answer ({reason}); is it running?"),
                    _backoff(tries),
                )
            else:
                if reply.status < 400:
                    return reply
                failure, pause_s = _refusal(reply, tries)
                if isinstance(effect, Open) and isinstance(failure, LimitError):
                    raise failure
            if time.monotonic() + pause_s > give_up_at:
                raise failure
            yield Pause(pause_s)
        raise AssertionError("this is a bug: the loop has no end")


def _envelope(options: Options) -> Json:
    output = {name: value for name, value in options.items() if name in OUTPUT}
    rest = {name: value for name, value in options.items() if name not in {*OUTPUT, "idempotency_key"}}
    return rest | ({"output": output} if output else {})


class _News:
    """Tells events from those that a stream repeats when it is opened again."""

    def __init__(self) -> None:
        self._latest: dict[type[Event], Event] = {}

    def is_new(self, event: Event) -> bool:
        if self._latest.get(type(event)) == event:
            return False
        if isinstance(event, Queued | Running):
            self._latest.clear()
        self._latest[type(event)] = event
        return True


def _refusal(reply: Reply, tries: int) -> tuple[ApiError, float]:
    """The error, and the seconds after which to try again: infinite if that cannot help."""
    retry_after = reply.headers.get("retry-after", "")
    waits = float(retry_after) if retry_after.isdecimal() else None
    match reply.status:
        case 429:
            return error_of(reply), float("inf") if waits is None else waits
        case 502 | 503 | 504:
            return error_of(reply), _backoff(tries) if waits is None else waits
    return error_of(reply), float("inf")


def _backoff(tries: int) -> float:
    """Seconds; random, so that not all clients come back at once."""
    return min(FIRST_PAUSE_S * 2.0 ** min(tries, 10), LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)


def _check(deadline: float | None, task_id: str) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise WaitTimeoutError(f"task {task_id} has not ended yet; it goes on, and may be waited for again")
