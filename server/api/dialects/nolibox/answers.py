"""What has become of a task, in the words of the API that Hua replaces. Times are unix seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import pipelines
from pipelines.pipeline import ResultShape
from pipelines.unsupported import UnsupportedTaskTypeError
from server.api.task_response import linked_images
from server.storage.signed_links import Links
from server.task import KINDS, Image, Manifest, Status, Task
from server.tasks.lookup import TaskRecord, from_manifest

STATUSES = {
    Status.QUEUED: "pending",
    Status.RUNNING: "working",
    Status.SUCCEEDED: "finished",
    Status.FAILED: "exception",
    Status.CANCELED: "interrupted",
}
SAMPLERS = {"lms": "klms", **{name: f"k_{name}" for name in ("euler", "euler_a", "heun", "dpmpp_2m")}}


def status_data(record: TaskRecord, links: Links) -> dict[str, Any]:
    """The `data` of a status reply."""
    view, manifest = record.view, record.manifest
    if manifest is None:
        started = {} if view.started_at is None else {"start_time": view.started_at}
        return {"create_time": view.task.created_at, **started}
    if view.status is Status.SUCCEEDED:
        return _finished(manifest, links)
    return _unfinished(manifest)


def callback_body(manifest: Manifest, links: Links) -> dict[str, Any]:
    """Times come under two spellings, for both are printed in its documents."""
    data = status_data(from_manifest(manifest), links)
    spelt = {"createtime": data["create_time"], "starttime": data["start_time"]}
    succeeded = manifest.outcome.status is Status.SUCCEEDED
    return {"uid": manifest.task.id, "success": succeeded, "data": {**data, **spelt}}


def _finished(manifest: Manifest, links: Links) -> dict[str, Any]:
    return {
        "uid": manifest.task.id,
        **_made(manifest, links),
        **_times(manifest),
        "elapsed_times": _elapsed(manifest),
        "request": _request(manifest.task),
    }


def _made(manifest: Manifest, links: Links) -> dict[str, Any]:
    """A picture, control maps and the pictures that follow them, or what was said, each in its own shape.

    The link of a picture that the audit withholds is empty, and the reason stands where that of the link would.
    """
    images, hints = (_Pictures.of(linked_images(manifest, kind, links)) for kind in KINDS)
    answer, shape = manifest.outcome.answer, _result_shape(manifest.task.type)
    if shape == "workflow" and answer is not None:
        return {"response": _workflow(answer, hints, images), "img_urls": images.urls}
    if answer is not None:
        return {"response": answer, "img_urls": images.urls}
    if shape == "control":
        return {"response": _control(hints, images), "img_urls": images.urls}
    first = images.urls[0] if images.urls else ""
    reason = next(filter(None, images.reasons), "")
    if shape == "composite":
        return {"response": {"url": first, "reason": reason}, "img_urls": images.urls}
    return {"cdn": first, "cos": first, "img_urls": images.urls, "safe": not reason, "reason": reason}


def _result_shape(task_type: str) -> ResultShape:
    """`images` for a task of an earlier release whose type this server does not have any more."""
    try:
        return pipelines.find(task_type).result_shape
    except (pipelines.UnknownTaskTypeError, UnsupportedTaskTypeError):
        return "images"


class _Pictures(NamedTuple):
    urls: list[str]
    reasons: list[str]

    @classmethod
    def of(cls, linked: Sequence[tuple[str, Image]]) -> Self:
        return cls([url for url, _ in linked], [image.reason for _, image in linked])

    def at(self, places: Sequence[int]) -> _Pictures:
        return _Pictures([self.urls[place] for place in places], [self.reasons[place] for place in places])


def _control(hints: _Pictures, results: _Pictures) -> dict[str, list[str]]:
    """A task that makes nothing but a control map calls it a hint here."""
    if not hints.urls:
        hints, results = results, hints
    return {
        "hint_urls": hints.urls,
        "result_urls": results.urls,
        "hint_reasons": hints.reasons,
        "result_reasons": results.reasons,
    }


def _workflow(answer: dict[str, Any], hints: _Pictures, results: _Pictures) -> dict[str, Any]:
    """What nodes said rather than drew stands beside their pictures, as `answer`."""
    between = {key: _told(hints.at(one["hints"]), one["answer"]) for key, one in answer["intermediate"].items()}
    target = _told(results, answer["target"])
    if answer["is_exception"]:
        target["reasons"] = [answer["reason"]]
    return {"is_exception": answer["is_exception"], **target, "intermediate": between}


def _told(pictures: _Pictures, said: dict[str, Any] | None) -> dict[str, Any]:
    return {"urls": pictures.urls, "reasons": pictures.reasons} | ({} if said is None else {"answer": said})


def _unfinished(manifest: Manifest) -> dict[str, Any]:
    failure = manifest.outcome.failure
    reason = f"{manifest.task.type} -> run_algorithm : {failure.message}" if failure else "interrupted"
    return {
        "uid": manifest.task.id,
        "reason": reason,
        **_times(manifest),
        "request": _request(manifest.task),
    }


def _times(manifest: Manifest) -> dict[str, float]:
    created, ended = manifest.task.created_at, manifest.outcome.finished_at
    return {
        "create_time": created,
        "start_time": manifest.outcome.started_at or ended,
        "end_time": ended,
        "duration": ended - created,
    }


def _elapsed(manifest: Manifest) -> dict[str, Any]:
    """Our stages under the names that its clients know."""
    seconds = manifest.outcome.timings
    algorithm = {
        "download": seconds.get("fetch", 0.0),
        "get_model": seconds.get("load", 0.0),
        "inference": seconds.get("run", 0.0),
        "cleanup": seconds.get("encode", 0.0),
    }
    total = sum(algorithm.values())
    return {
        "pending": max(0.0, (manifest.outcome.started_at or 0.0) - manifest.task.created_at),
        "run_algorithm": total,
        "algorithm_latencies": {**algorithm, "__total__": total},
        "upload": seconds.get("upload", 0.0),
        "audit": seconds.get("audit", 0.0),
    }


def _request(task: Task) -> dict[str, Any]:
    """The params as resolved, with the names that have changed since under their old ones as well."""
    renamed: dict[str, Any] = {"custom_embeddings": {}}
    if "model" in task.params:
        renamed["version"] = task.params["model"]
    if "sampler" in task.params:
        renamed["sampler"] = SAMPLERS.get(task.params["sampler"], task.params["sampler"])
    return {"task": task.type, "model": {**task.params, **renamed}}
