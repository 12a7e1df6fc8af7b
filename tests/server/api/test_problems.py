import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from models.catalog.catalog import UnknownModelError
from server.api.problems import MAX_MESSAGE_LENGTH, problem_of
from server.broker import BrokerUnavailableError
from server.tasks.submission import InvalidParamsError
from server.tenancy.auth import UnauthorizedError


class UnauthorizedSubclassError(UnauthorizedError):
    """An exception whose own class is not in the table."""


@pytest.mark.parametrize(
    ("error", "status", "code", "header"),
    [
        (UnauthorizedError("no key"), 401, "unauthorized", "WWW-Authenticate"),
        (UnauthorizedSubclassError("no key"), 401, "unauthorized", "WWW-Authenticate"),
        (BrokerUnavailableError("away"), 503, "unavailable", "Retry-After"),
        (HTTPException(405, headers={"Allow": "GET"}), 405, "method_not_allowed", "Allow"),
    ],
)
def test_problem_of_has_status_code_and_headers(error, status, code, header) -> None:
    problem = problem_of(error)
    assert (problem.status, problem.code) == (status, code)
    assert header in problem.headers


def test_problem_of_names_the_field() -> None:
    assert problem_of(InvalidParamsError("w is too small", "params.w")).field == "params.w"
    error = RequestValidationError([{"type": "missing", "loc": ("body", "type"), "msg": "Field required"}])
    problem = problem_of(error)
    assert (problem.status, problem.field, problem.message) == (422, "type", "type is missing; add it")


def test_problem_of_hides_unknown_exceptions() -> None:
    problem = problem_of(RuntimeError("secret"))
    assert (problem.status, problem.code) == (500, "internal")
    assert "secret" not in problem.message


def test_long_message_is_cut():
    problem = problem_of(UnknownModelError("x" * 100_000))
    assert problem.code == "unknown_model"
    assert len(problem.message) == MAX_MESSAGE_LENGTH + 1
