import base64
import json

import httpx
import pytest
from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse
from starlette.datastructures import Headers

from server.api import dialects
from server.api.app import create_app
from server.api.authenticated_route import SubmissionRoute
from server.api.dependencies import Reader, Submitter
from server.api.dialects import callback_bytes, every
from server.api.dialects.dialect import Dialect, DialectRoute
from server.api.errors import Problem
from server.api.router import Router
from server.storage.signed_links import Links
from server.task import Callback, Manifest, Outcome, Status, Task
from server.tenancy.auth import new_key

LINKS = Links(b"secret", "http://hua")


def manifest(callback: Callback) -> Manifest:
    task = Task(id="b" * 32, type="txt2img.sd", params={"text": "画"}, tenant="t", created_at=1.0, callback=callback)
    outcome = Outcome(task=task, attempt="a", status=Status.CANCELED, finished_at=2.0)
    return Manifest(outcome=outcome, expires_at=3.0)


def test_each_dialect_is_discovered_once():
    names = [dialect.name for dialect in every()]
    assert "nolibox" in names
    assert len(names) == len(set(names))


@pytest.mark.parametrize("dialect", ["hua", *(dialect.name for dialect in every())])
def test_callback_has_the_same_bytes_every_time(dialect):
    canceled = manifest(Callback(url="http://x", dialect=dialect))
    assert callback_bytes(canceled, LINKS) == callback_bytes(canceled, LINKS)
    assert json.loads(callback_bytes(canceled, LINKS))


def test_callback_of_hua_is_the_task_as_the_api_returns_it():
    body = json.loads(callback_bytes(manifest(Callback(url="http://x")), LINKS))
    assert (body["id"], body["status"], body["params"]) == ("b" * 32, "canceled", {"text": "画"})


def test_callback_in_a_removed_dialect_uses_the_format_of_hua():
    old = manifest(Callback(url="http://x", dialect="gone"))
    assert callback_bytes(old, LINKS) == callback_bytes(manifest(Callback(url="http://x")), LINKS)


def refuse(problem: Problem) -> Response:
    return PlainTextResponse(f"plain: {problem.code}", problem.status)


class PlainRoute(DialectRoute):
    """A dialect whose key has a header of its own, and whose errors are plain text."""

    refuse = staticmethod(refuse)

    @staticmethod
    def authorization(headers: Headers) -> str | None:
        return f"Bearer {headers['Api-Key']}" if "Api-Key" in headers else None


class PlainSubmissionRoute(SubmissionRoute, PlainRoute):
    """A route that submits tasks."""


KEY, OTHER = new_key("red"), new_key("blue")


@pytest.fixture
async def plain(services, monkeypatch):
    """A client of a server that has this dialect, too."""
    router = Router(route_class=PlainRoute)

    @router.get("/plain/tenant")
    async def tenant_of(tenant: Reader, number: int = 0) -> str:
        return tenant

    async def submit(tenant: Submitter) -> str:
        return tenant

    router.add_api_route("/plain/draw", submit, methods=["POST"], route_class_override=PlainSubmissionRoute)
    dialect = Dialect("plain", router, prefixes=("/plain/",), refuse=refuse)
    monkeypatch.setitem(vars(dialects)["_by_name"], "plain", dialect)
    app: FastAPI = create_app(services)
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hua") as client:
        yield client


@pytest.mark.parametrize("overrides", [{"api_keys": (KEY[1], OTHER[1])}])
async def test_key_comes_from_the_header_of_the_dialect(plain, overrides):
    for key, tenant in ((KEY[0], "red"), (OTHER[0], "blue")):
        reply = await plain.get("/plain/tenant", headers={"api-key": key, "Authorization": "Bearer other"})
        assert (reply.status_code, reply.json()) == (200, tenant)
        assert (await plain.post("/plain/draw", headers={"Api-Key": key})).json() == tenant
    reply = await plain.get("/plain/tenant", headers={"Authorization": f"Bearer {KEY[0]}"})
    assert (reply.status_code, reply.text) == (401, "plain: unauthorized")
    assert (await plain.get("/v1/usage", headers={"Api-Key": KEY[0]})).json()["error"]["code"] == "unauthorized"


@pytest.mark.parametrize("overrides", [{"api_keys": (KEY[1],)}])
async def test_basic_may_have_the_key_in_place_of_the_user(client, overrides):
    for login in (f"anyone:{KEY[0]}", f"{KEY[0]}:"):
        header = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()}
        assert (await client.get("/v1/usage", headers=header)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/plain/tenant?number=x", 422, "plain: invalid_request"),
        ("POST", "/plain/tenant", 405, "plain: method_not_allowed"),
        ("GET", "/plain/nothing", 404, "plain: not_found"),
    ],
)
async def test_errors_below_the_prefix_have_the_shape_of_the_dialect(plain, method, path, status, text):
    reply = await plain.request(method, path)
    assert (reply.status_code, reply.text) == (status, text)
    assert (await plain.get("/plainer/nothing")).json()["error"]["code"] == "not_found"


def test_callback_of_a_dialect_without_callbacks_uses_the_format_of_hua(monkeypatch):
    monkeypatch.setitem(vars(dialects)["_by_name"], "plain", Dialect("plain", Router()))
    own = manifest(Callback(url="http://x"))
    assert callback_bytes(manifest(Callback(url="http://x", dialect="plain")), LINKS) == callback_bytes(own, LINKS)
