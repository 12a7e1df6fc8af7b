import pytest

from server.task import Image, Manifest, Outcome, Status, Task
from server.tenancy.usage import usage_of

TASK = Task(
    id="0" * 32, type="txt2img.sd", params={"num_steps": 30}, tenant="red", created_at=1.0, models=("m", "n"), cost=2.5
)


def manifest(task: Task = TASK, **fields) -> Manifest:
    plain = {"task": task, "attempt": "a", "status": Status.SUCCEEDED, "finished_at": 86_399.5}
    return Manifest(outcome=Outcome(**plain | fields), expires_at=9e9)


def image(width: int, height: int, **fields) -> Image:
    return Image(key="k", width=width, height=height, bytes=1, sha256="", **fields)


def test_a_task_that_succeeded_is_charged_what_it_cost():
    images = (image(512, 384), image(640, 640), image(8, 8, kind="hint"))
    timings = {"fetch": 8.0, "load": 1.0, "run": 2.5, "encode": 4.0}
    usage = usage_of(manifest(images=images, timings=timings, started_at=5.0))
    assert usage.model_dump() == {
        "task": "0" * 32,
        "tenant": "red",
        "type": "txt2img.sd",
        "model": "m",
        "status": "succeeded",
        "images": 2,
        "width": 512,
        "height": 384,
        "steps": 30,
        "cost": 2.5,
        "charge": 2.5,
        "device_s": 3.5,
        "created_at": 1.0,
        "started_at": 5.0,
        "finished_at": 86_399.5,
    }


def test_what_is_withheld_is_not_charged():
    shown, withheld = image(8, 8), image(8, 8, reason="unsafe")
    for images, handed_out, charge in (
        ((withheld, withheld), 0, 0.0),
        ((withheld, shown), 1, 1.25),
        ((shown, image(8, 8, kind="hint", reason="unsafe")), 1, 2.5),
    ):
        usage = usage_of(manifest(images=images, timings={"run": 1.0, "audit": 0.5}))
        assert (usage.images, usage.charge, usage.cost, usage.device_s) == (handed_out, charge, 2.5, 1.5)


@pytest.mark.parametrize(("side", "charge"), [(512, 0.625), (1024, 2.5), (2048, 2.5)])
def test_a_task_whose_picture_was_not_known_is_charged_by_the_size_that_it_had(side, charge):
    """A 512×512 that is repainted is charged as one that is painted, not as the 1024×1024 that it might have been."""
    task = TASK.model_copy(update={"most_pixels": 1024 * 1024})
    usage = usage_of(manifest(task, images=(image(side, side), image(9, 9, kind="hint"))))
    assert (usage.charge, usage.cost) == (charge, 2.5)


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELED])
def test_a_task_that_came_to_nothing_is_told_and_not_charged(status):
    """I7"""
    usage = usage_of(manifest(status=status, timings={"run": 2.0}))
    assert (usage.charge, usage.cost, usage.device_s, usage.images) == (0.0, 2.5, 2.0, 0)


def test_the_day_is_that_of_its_end_in_utc():
    assert usage_of(manifest()).day == "1970-01-01"
    assert usage_of(manifest(finished_at=86_400.0)).day == "1970-01-02"


@pytest.mark.parametrize("params", [{}, {"num_steps": None}, {"num_steps": {"a": 1}}])
def test_a_task_without_steps_models_or_images_has_none(params):
    bare = TASK.model_copy(update={"params": params, "models": ()})
    usage = usage_of(manifest(bare))
    assert (usage.steps, usage.model, usage.width, usage.height) == (0, "", 0, 0)
