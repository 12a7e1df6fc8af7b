"""The contract of a dialect: somebody else's wire format, spoken by one file beside this one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Response

from server.api.authenticated_route import AuthenticatedRoute
from server.api.errors import Problem
from server.storage.signed_links import Links
from server.task import Manifest


class DialectRoute(AuthenticatedRoute):
    """A route that says no in its dialect's own words."""

    @abstractmethod
    def refuse(self, problem: Problem) -> Response: ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """`name` is what a Callback remembers; `callback_body` must depend on nothing but its arguments."""

    name: str
    router: APIRouter
    callback_body: Callable[[Manifest, Links], dict[str, Any]]
