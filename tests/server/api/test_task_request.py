import pytest

from server.api.task_request import MAX_WAIT_S, submission_headers


@pytest.mark.parametrize(
    ("prefer", "wait_s"),
    [
        (None, 0),
        ("", 0),
        ("respond-async", 0),
        ("wait=10", 10),
        ("respond-async, wait=10", 10),
        ("wait=0", 0),
        ("wait=3600", MAX_WAIT_S),
        ("wait=ten", 0),
        ("wait=-5", 0),
        ("await=5", 0),
        ("wait=" + "9" * 99, 0),
    ],
)
async def test_prefer_wait_is_limited_and_other_values_ignored(prefer, wait_s):
    assert (await submission_headers(prefer=prefer)).wait_s == wait_s
