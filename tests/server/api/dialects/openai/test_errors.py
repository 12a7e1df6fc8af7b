import json

import pytest

from server.api.dialects.openai.errors import blocked_problem, failure_problem, refuse
from server.api.errors import Problem
from server.task import Failure, Status


@pytest.mark.parametrize(
    ("problem", "status", "error_type", "param", "code"),
    [
        (Problem(422, "invalid_params", "m", "text"), 400, "invalid_request_error", "prompt", "invalid_value"),
        (Problem(422, "bad_input", "m", "nodes.0.data.url"), 400, "invalid_request_error", "image", "bad_input"),
        (Problem(422, "unknown_model", "m"), 400, "invalid_request_error", "model", "model_not_found"),
        (Problem(401, "unauthorized", "m"), 401, "authentication_error", None, "invalid_api_key"),
        (Problem(403, "missing_scope", "m"), 403, "permission_error", None, "missing_scope"),
        (Problem(404, "not_found", "m"), 404, "invalid_request_error", None, "not_found"),
        (Problem(405, "method_not_allowed", "m"), 405, "invalid_request_error", None, "method_not_allowed"),
        (Problem(413, "body_too_large", "m"), 413, "invalid_request_error", None, "body_too_large"),
        (Problem(429, "7001", "m"), 429, "rate_limit_error", None, "rate_limit_exceeded"),
        (Problem(500, "internal", "m"), 500, "server_error", None, "internal"),
        (Problem(503, "unavailable", "m"), 503, "server_error", None, "unavailable"),
        (blocked_problem("unsafe"), 400, "image_generation_user_error", None, "moderation_blocked"),
    ],
)
def test_problems_have_the_shape_of_openai(problem, status, error_type, param, code):
    reply = refuse(problem)
    assert reply.status_code == status
    expected = {"message": problem.message, "type": error_type, "param": param, "code": code}
    assert json.loads(reply.body) == {"error": expected}


def test_message_names_the_field_as_the_client_does():
    problem = Problem(422, "bad_input", "nodes.0.data.url: not a PNG", "nodes.0.data.url")
    assert json.loads(refuse(problem).body)["error"]["message"] == "image: not a PNG"


@pytest.mark.parametrize(
    ("status", "failure", "expected", "retried"),
    [
        (Status.FAILED, Failure(code="bad_input", message="m"), 400, True),
        (Status.FAILED, Failure(code="out_of_memory", message="m"), 500, False),
        (Status.CANCELED, None, 409, False),
    ],
)
def test_failed_tasks_are_not_painted_again(status, failure, expected, retried):
    reply = refuse(failure_problem(status, failure))
    assert (reply.status_code, "x-should-retry" not in reply.headers) == (expected, retried)
    assert reply.headers.get("x-should-retry", "false") == "false"
