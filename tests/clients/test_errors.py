import pytest
from hua_client import GoneError, LimitError, ServerError, UnavailableError
from hua_client.errors import error_of
from hua_client.flow import Reply


def test_answer_of_the_server_is_told_in_its_words():
    error = error_of(Reply(410, {}, '{"error": {"code": "expired", "message": "画 has expired"}}'.encode()))
    assert isinstance(error, GoneError)
    assert (str(error), error.code, error.field, error.status) == ("画 has expired", "expired", None, 410)


@pytest.mark.parametrize("body", [b"<h1>Bad gateway</h1>", b"", b"[]", b'{"error": "x"}', b"\xff"])
def test_answer_of_a_proxy_is_an_error_as_well(body):
    error = error_of(Reply(502, {}, body))
    assert isinstance(error, UnavailableError)
    assert str(error).startswith("the server answered 502")


@pytest.mark.parametrize(("status", "kind"), [(429, LimitError), (500, ServerError), (418, ServerError)])
def test_class_of_a_status(status, kind):
    assert type(error_of(Reply(status, {}, b""))) is kind
