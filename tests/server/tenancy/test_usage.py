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


def test_succeeded_task_is_charged_its_cost():
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
        "reasons": (),
        "device_s": 3.5,
        "created_at": 1.0,
        "started_at": 5.0,
        "finished_at": 86_399.5,
    }


def test_withheld_images_are_not_charged():
    visible, withheld = image(8, 8), image(8, 8, reason="unsafe")
    for images, handed_out, charge in (
        ((withheld, withheld), 0, 0.0),
        ((withheld, visible), 1, 1.25),
        ((visible, image(8, 8, kind="hint", reason="unsafe")), 1, 2.5),
    ):
        usage = usage_of(manifest(images=images, timings={"run": 1.0, "audit": 0.5}))
        assert (usage.images, usage.charge, usage.cost, usage.device_s) == (handed_out, charge, 2.5, 1.5)


@pytest.mark.parametrize(("side", "charge"), [(512, 0.625), (1024, 2.5), (2048, 2.5)])
def test_charge_is_scaled_to_the_real_image_size(side, charge):
    """An edited 512×512 image is charged as 512×512, not as the 1024×1024 that was assumed at submission."""
    task = TASK.model_copy(update={"most_pixels": 1024 * 1024})
    usage = usage_of(manifest(task, images=(image(side, side), image(9, 9, kind="hint"))))
    assert (usage.charge, usage.cost) == (charge, 2.5)


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELED])
def test_failed_and_canceled_tasks_are_not_charged(status):
    """I7"""
    usage = usage_of(manifest(status=status, timings={"run": 2.0}))
    assert (usage.charge, usage.cost, usage.device_s, usage.images) == (0.0, 2.5, 2.0, 0)


def test_day_is_that_of_the_end_in_utc():
    assert usage_of(manifest()).day == "1970-01-01"
    assert usage_of(manifest(finished_at=86_400.0)).day == "1970-01-02"


@pytest.mark.parametrize("params", [{}, {"num_steps": None}, {"num_steps": {"a": 1}}])
def test_missing_steps_models_and_images_are_empty(params):
    bare = TASK.model_copy(update={"params": params, "models": ()})
    usage = usage_of(manifest(bare))
    assert (usage.steps, usage.model, usage.width, usage.height) == (0, "", 0, 0)


def test_reasons_of_the_audit_are_recorded():
    assert usage_of(manifest(TASK.model_copy(update={"reasons": ("sexual",)}))).reasons == ("sexual",)
