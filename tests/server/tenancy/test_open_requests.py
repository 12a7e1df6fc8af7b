import contextlib

import pytest

from server.settings import Settings
from server.tenancy.open_requests import LEAST, OpenRequests, OpenRequestsError
from server.tenancy.tenants import Tenants


def open_requests(**settings: int) -> OpenRequests:
    return OpenRequests(Tenants(Settings(**settings)), Settings(**settings))


@pytest.mark.parametrize(("task_limit", "limit"), [(1, LEAST), (1000, 2000)])
def test_limit_follows_the_task_limit(task_limit, limit):
    assert open_requests(task_limit=task_limit).limit("red") == limit


def test_request_above_the_limit_is_refused_until_one_ends():
    requests = open_requests()
    with contextlib.ExitStack() as stack:
        for _ in range(LEAST):
            stack.enter_context(requests.count("red"))
        with pytest.raises(OpenRequestsError, match="128 requests"), requests.count("red"):
            pass
        with requests.count("blue"):
            pass
    with requests.count("red"):
        pass
