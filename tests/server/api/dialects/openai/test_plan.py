import pytest

from pipelines.params.limits import SEEDS
from server.api.dialects.openai.plan import Plan, TaskOptions, submissions
from server.task import Output

PLAN = Plan("txt2img.sd", {"text": "x"}, cuts_out=False)


def options(key: str | None) -> TaskOptions:
    return TaskOptions("red", "openai", Output(), "normal", None, key)


@pytest.mark.parametrize(
    ("images", "apart", "samples"),
    [(1, False, [1]), (8, False, [8]), (9, False, [8, 1]), (10, False, [8, 2]), (3, True, [1, 1, 1])],
)
def test_images_are_divided_among_tasks(images, apart, samples):
    assert [params["num_samples"] for _, params in PLAN.tasks(images, apart=apart)] == samples


@pytest.mark.parametrize(
    ("seed", "seeds"),
    [
        (5, [5, 6]),
        ("5", ["5", 6]),
        (-1, [-1, -1]),
        (None, [None, None]),
        ("much", ["much"] * 2),
        (SEEDS - 1, [SEEDS - 1, 0]),
        ("9" * 5000, ["9" * 5000] * 2),
    ],
)
def test_seeds_count_on_from_image_to_image(seed, seeds):
    plan = Plan("txt2img.sd", {"seed": seed}, cuts_out=False)
    assert [params["seed"] for _, params in plan.tasks(2, apart=True)] == seeds


def test_each_task_of_a_request_has_an_idempotency_key_of_its_own():
    keys = [each.idempotency_key for each in submissions(PLAN, 3, options("order"), apart=True)]
    assert keys == ["order", "order#1", "order#2"]
    assert [each.idempotency_key for each in submissions(PLAN, 2, options(None), apart=True)] == [None, None]
