import json

from server.api.errors import Problem, error_responses


def test_problem_response_has_the_error_shape() -> None:
    response = Problem(429, "rate_limit", "too fast", headers={"Retry-After": "2"}).response()
    assert (response.status_code, response.headers["retry-after"]) == (429, "2")
    assert json.loads(response.body) == {"error": {"code": "rate_limit", "message": "too fast"}}


def test_error_responses_adds_500_and_403() -> None:
    assert list(error_responses(404)) == [404, 500]
    assert list(error_responses(401)) == [401, 403, 500]


def test_error_responses_of_a_stream_declare_json() -> None:
    assert "application/json" in error_responses(404, stream=True)[404]["content"]
