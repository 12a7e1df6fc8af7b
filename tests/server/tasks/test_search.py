import pytest

from server.task import Status, Task
from server.tasks import search
from server.tasks.search import Filters, find_tasks


def task(number: int, **fields: object) -> Task:
    usual = {"type": "txt2img.sd", "params": {"text": "a Cat", "negative_prompt": "fog"}, "models": ("toy", "ink")}
    return Task(id=f"{number:032x}", tenant="red", created_at=number, **(usual | fields))


CAT = task(1)
HOUSE = task(
    2, type="img2img.sd", params={"text": "a house"}, original_prompts={"text": "草地上的房子"}, models=("Big",)
)
NODES = [{"key": "a", "endpoint": "txt2img.sd", "data": {"text": "a cat\nat night"}}]
WORKFLOW = task(3, type="workflow", params={"nodes": NODES, "target": "a"})
NUMBERS = task(4, params={"custom_embeddings": {"cat": [[0.5] * 8]}, "model": "cat"}, models=())
ALL = [CAT, HOUSE, WORKFLOW, NUMBERS]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (Filters(), ALL),
        (Filters(types=frozenset({"img2img.sd", "workflow"})), [HOUSE, WORKFLOW]),
        (Filters(model="INK"), [CAT, WORKFLOW]),
        (Filters(model="big"), [HOUSE]),
        (Filters(words=("cat",)), [CAT, WORKFLOW]),
        (Filters(words=("Night", "cat")), [WORKFLOW]),
        (Filters(words=("FOG",)), [CAT]),
        (Filters(words=("房子",)), [HOUSE]),
        (Filters(words=("cat", "house")), []),
        (Filters(types=frozenset({"txt2img.sd"}), words=("cat",), model="toy"), [CAT]),
    ],
)
def test_filters_fit(filters, found) -> None:
    assert [each for each in ALL if filters.fit(each)] == found


async def test_pages_are_of_what_fits(services, monkeypatch) -> None:
    monkeypatch.setattr(search, "READ_AT_ONCE", 2)
    queue = services.queue
    for number in range(7):
        await queue.admit(task(number, params={"text": "cat" if number % 2 else "dog"}), 100)
    dogs = [await find_tasks(services, "red", Filters(words=("dog",)), page, 3) for page in (1, 2, 3)]
    assert [[view.task.created_at for view in views] for views, _ in dogs] == [[6, 4, 2], [0], []]
    assert {total for _, total in dogs} == {4}
    assert await find_tasks(services, "blue", Filters(words=("dog",)), 1, 3) == ([], 0)
    assert await find_tasks(services, "red", Filters(status=Status.FAILED, words=("dog",)), 1, 3) == ([], 0)
    assert (await find_tasks(services, "red", Filters(status=Status.QUEUED), 2, 5))[1] == 7
