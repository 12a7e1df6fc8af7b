from server.api.task_response import linked_images, task_reply
from server.queue import Progress, View
from server.storage.signed_links import Links
from server.task import Failure, Image, Manifest, Outcome, Status, Task
from server.tasks.lookup import TaskRecord, from_manifest

LINKS = Links(b"secret", "http://hua")
TASK = Task(id="0" * 32, type="txt2img.sd", params={"text": "x"}, tenant="t", created_at=1.0, models=("toy",))


def image(**fields) -> Image:
    return Image(**{"key": "k", "width": 8, "height": 8, "bytes": 1, "sha256": ""} | fields)


def manifest(**fields) -> Manifest:
    outcome = {"task": TASK, "attempt": "a", "status": Status.SUCCEEDED, "started_at": 2.0, "finished_at": 3.0}
    return Manifest(outcome=Outcome(**outcome | fields), expires_at=2e9)


def test_reply_of_a_queued_task_has_a_position_and_no_progress() -> None:
    reply = task_reply(TaskRecord(View(TASK, Status.QUEUED, position=2, progress=Progress(1, 2))), LINKS)
    assert (reply.position, reply.progress, reply.images, reply.finished_at) == (2, None, [], None)
    assert reply.links.task == f"http://hua/v1/tasks/{TASK.id}"


def test_reply_of_a_running_task_has_progress_and_no_position() -> None:
    reply = task_reply(TaskRecord(View(TASK, Status.RUNNING, position=2, progress=Progress(1, 2))), LINKS)
    assert (reply.position, reply.progress.step, reply.progress.steps) == (None, 1, 2)


def test_reply_of_an_ended_task_depends_only_on_the_manifest() -> None:
    ended = manifest(images=(image(seed=7),), timings={"run": 0.5}, warnings=("x has no effect",))
    first, second = (task_reply(from_manifest(ended), LINKS) for _ in range(2))
    assert first == second
    assert (first.model, first.images[0].seed, first.timings) == ("toy", 7, {"run": 0.5})
    assert first.warnings == ["x has no effect"]
    failed = task_reply(from_manifest(manifest(status=Status.FAILED, failure=Failure(code="c", message="m"))), LINKS)
    assert failed.error.code == "c"


def test_linked_images_separates_kinds_and_hides_withheld_images() -> None:
    images = (image(), image(reason="unsafe"), image(kind="hint"))
    urls = [url for url, _ in linked_images(manifest(images=images), "image", LINKS)]
    assert (bool(urls[0]), urls[1:]) == (True, [""])
    ((url, _),) = linked_images(manifest(images=images), "hint", LINKS)
    assert "/2.png?" in url, "the index counts images of all kinds"


def test_reply_of_a_task_that_no_worker_can_serve_says_why() -> None:
    reply = task_reply(TaskRecord(View(TASK, Status.QUEUED, missing=("sdxl", "lora"))), LINKS)
    assert (reply.position, reply.reason) == (None, "no worker has all of sdxl, lora")
