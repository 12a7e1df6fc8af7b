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
async def test_a_preference_is_honoured_in_bounds_and_otherwise_ignored(prefer, wait_s):
    assert (await submission_headers(prefer=prefer)).wait_s == wait_s
