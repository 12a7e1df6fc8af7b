import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from server.api.app import AUTHENTICATED_ROUTERS, PUBLIC_ROUTERS
from server.api.router import Router, shortest


@pytest.mark.parametrize(("path", "tries"), [("/a/b", 1), ("/a/b/c", 1), ("/a", 0), ("/b/a/b", 0), ("/", 0)])
def test_routes_are_tried_only_for_paths_that_begin_like_them(path: str, tries: int) -> None:
    tried = []

    class CountingRoute(APIRoute):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            tried.append(self)
            return super().matches(scope)

    router, app = Router(route_class=CountingRoute), FastAPI(openapi_url=None)
    router.add_api_route("/a/b", lambda: None)
    app.include_router(router)
    for each in app.router.routes:
        each.matches({"type": "http", "path": path, "method": "GET", "headers": []})
    assert len(tried) == tries


def test_included_routers_and_parameters_count() -> None:
    inner, router = APIRouter(), Router()
    inner.add_api_route("/things/{name}", lambda: None)
    router.include_router(inner, prefix="/old")
    router.include_router(inner)
    app = FastAPI(openapi_url=None)
    app.include_router(router)

    def match(path: str) -> Match:
        scope = {"type": "http", "path": path, "method": "GET", "headers": []}
        return max((route.matches(scope)[0] for route in app.router.routes), key=lambda each: each.value)

    assert [match(path) for path in ("/things/x", "/old/things/x", "/old/x")] == [Match.FULL, Match.FULL, Match.NONE]


@pytest.mark.parametrize("root_path", ["", "/hua"])
def test_path_may_begin_with_that_of_the_proxy(root_path: str) -> None:
    router = Router()
    router.add_api_route("/things", lambda: None)
    app = FastAPI(openapi_url=None)
    app.include_router(router)
    scope = {"type": "http", "path": f"{root_path}/things", "root_path": root_path, "method": "GET", "headers": []}
    assert any(route.matches(scope)[0] is Match.FULL for route in app.router.routes)


def test_beginnings_that_others_cover_are_left_out() -> None:
    assert shortest({"/v1/tasks/", "/v1/tasks", "/v1", "/aigc"}) == ("/aigc", "/v1")


def test_all_routers_of_the_app_are_quick() -> None:
    assert [router for router in (*AUTHENTICATED_ROUTERS, *PUBLIC_ROUTERS) if not isinstance(router, Router)] == []
