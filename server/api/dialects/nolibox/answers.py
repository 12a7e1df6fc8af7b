"""The state and the results of a task in the format of the API that Hua replaces. Times are Unix seconds."""

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
    """The `data` of a status reply: results or failure of an ended task, else its times."""
    view, manifest = record.view, record.manifest
    if manifest is None:
        started = {} if view.started_at is None else {"start_time": view.started_at}
        return {"create_time": view.task.created_at, **started}
    if view.status is Status.SUCCEEDED:
        return _finished(manifest, links)
    return _unfinished(manifest)


def callback_body(manifest: Manifest, links: Links) -> dict[str, Any]:
    """The body of a callback. Times come in two spellings, because that API's documents have both."""
    data = status_data(from_manifest(manifest), links)
    respelt_times = {"createtime": data["create_time"], "starttime": data["start_time"]}
    succeeded = manifest.outcome.status is Status.SUCCEEDED
    return {"uid": manifest.task.id, "success": succeeded, "data": {**data, **respelt_times}}


def _finished(manifest: Manifest, links: Links) -> dict[str, Any]:
    return {
        "uid": manifest.task.id,
        **_results(manifest, links),
        **_times(manifest),
        "elapsed_times": _elapsed(manifest),
        "request": _request(manifest.task),
    }


def _results(manifest: Manifest, links: Links) -> dict[str, Any]:
    """The results in the shape that this API has for this kind of task.

    An image that the audit withholds has an empty link and a reason.
    """
    images, hints = (_LinkedImages.of(linked_images(manifest, kind, links)) for kind in KINDS)
    answer, shape = manifest.outcome.answer, _result_shape(manifest.task.type)
    if shape == "workflow" and answer is not None:
        return {"response": _workflow(answer, hints, images), "img_urls": images.urls}
    if answer is not None and not images.urls:
        return {"response": answer, "img_urls": images.urls}
    if shape == "control":
        return {"response": _control(hints, images), "img_urls": images.urls}
    first = images.urls[0] if images.urls else ""
    reason = next(filter(None, images.reasons), "")
    if shape == "composite":
        return {"response": {"url": first, "reason": reason}, "img_urls": images.urls}
    data = {"cdn": first, "cos": first, "img_urls": images.urls, "safe": not reason, "reason": reason}
    return data if answer is None else data | {"response": answer}


def _result_shape(task_type: str) -> ResultShape:
    """The shape of a task type's results; `images` if an earlier release had the type and this one has not."""
    try:
        return pipelines.find(task_type).result_shape
    except (pipelines.UnknownTaskTypeError, UnsupportedTaskTypeError):
        return "images"


class _LinkedImages(NamedTuple):
    urls: list[str]
    """One per image; empty for a withheld one."""
    reasons: list[str]
    """Why each image is withheld; empty for the others."""

    @classmethod
    def of(cls, linked: Sequence[tuple[str, Image]]) -> Self:
        return cls([url for url, _ in linked], [image.reason for _, image in linked])

    def at(self, indices: Sequence[int]) -> _LinkedImages:
        return _LinkedImages([self.urls[index] for index in indices], [self.reasons[index] for index in indices])


def _control(hints: _LinkedImages, results: _LinkedImages) -> dict[str, list[str]]:
    """Images and control maps. The images of a task that makes only control maps count as hints here."""
    if not hints.urls:
        hints, results = results, hints
    return {
        "hint_urls": hints.urls,
        "result_urls": results.urls,
        "hint_reasons": hints.reasons,
        "result_reasons": results.reasons,
    }


def _workflow(answer: dict[str, Any], hints: _LinkedImages, results: _LinkedImages) -> dict[str, Any]:
    """Images of the target and the intermediate nodes; the answers of nodes come as `answer`."""
    intermediate = {
        key: _node(hints.at(result["hints"]), result["answer"]) for key, result in answer["intermediate"].items()
    }
    target = _node(results, answer["target"])
    if answer["is_exception"]:
        target["reasons"] = [answer["reason"]]
    return {"is_exception": answer["is_exception"], **target, "intermediate": intermediate}


def _node(images: _LinkedImages, answer: dict[str, Any] | None) -> dict[str, Any]:
    return {"urls": images.urls, "reasons": images.reasons} | ({} if answer is None else {"answer": answer})


def _unfinished(manifest: Manifest) -> dict[str, Any]:
    task, failure = manifest.task, manifest.outcome.failure
    ran = manifest.outcome.attempt != ""
    procedure = "run_algorithm" if ran else "start"
    return {
        "uid": task.id,
        "reason": f"{task.type} -> {procedure} : {failure.message}" if failure else "interrupted",
        **_times(manifest),
        "request": _request(task) if ran or failure is None else {"task": task.type, "params": task.params},
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
    """The seconds of Hua's stages, under the names that clients of this API know."""
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
        "audit": seconds.get("audit", 0.0) + seconds.get("moderation", 0.0),
    }


def _request(task: Task) -> dict[str, Any]:
    """The resolved params. Those that Hua renamed also come under their old names."""
    renamed: dict[str, Any] = {"custom_embeddings": {}}
    if "model" in task.params:
        renamed["version"] = task.params["model"]
    if "sampler" in task.params:
        renamed["sampler"] = SAMPLERS.get(task.params["sampler"], task.params["sampler"])
    return {"task": task.type, "model": {**task.params, **renamed}}
