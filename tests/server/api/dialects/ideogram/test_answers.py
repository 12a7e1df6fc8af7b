import pytest

from server.api.dialects.ideogram.answers import pictures_answer
from server.api.dialects.ideogram.request_v3 import TransparentRequest
from server.api.dialects.ideogram.tasks import generate_transparent
from server.storage.signed_links import Links
from server.task import Image, Manifest, Outcome, Status, Task

LINKS = Links(b"secret", "http://hua")
PARAMS = {"text": "a fox, pop art style", "seed": 5, "num_samples": 3}


def image(index: int, **changes) -> Image:
    fields = {"key": f"k{index}", "width": 2048, "height": 1024, "bytes": 9, "sha256": "0", "kind": "hint"}
    return Image(**fields | changes)


@pytest.fixture
def answer():
    """That of a workflow which has cut out three images, of which the audit withholds one."""
    body = TransparentRequest(prompt="a fox", upscale_factor="X2", num_images=3, seed=5)
    painting = generate_transparent(PARAMS, (1024, 512), body.scale)
    task = Task(id="b" * 32, type=painting.task_type, params=painting.params, tenant="t", created_at=1.0)
    images = (image(0, kind="image"), image(1), image(2, key="", reason="unsafe"))
    outcome = Outcome(task=task, attempt="a", status=Status.SUCCEEDED, finished_at=2.0, images=images)
    return pictures_answer(body, Manifest(outcome=outcome, expires_at=9.0), LINKS, painting.scale)


def test_images_of_all_chains_are_results(answer):
    assert [image["seed"] for image in answer["data"]] == [5, 6, 7]
    assert [image["is_image_safe"] for image in answer["data"]] == [True, True, False]
    assert [bool(image["url"]) for image in answer["data"]] == [True, True, False]


def test_prompt_and_sizes_are_those_of_the_painting(answer):
    image = answer["data"][0]
    assert image["prompt"] == PARAMS["text"]
    assert (image["resolution"], image["upscaled_resolution"]) == ("1024x512", "2048x1024")
    assert answer["created"] == "1970-01-01T00:00:02Z"
