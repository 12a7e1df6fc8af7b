"""The contract of a dialect: the wire format of another API, in one package of this folder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Response

from server.api.authenticated_route import AuthenticatedRoute
from server.api.errors import Problem
from server.api.router import Router
from server.storage.signed_links import Links
from server.task import Manifest

Refusal = Callable[[Problem], Response]
"""Writes why a request is refused."""


class DialectRoute(AuthenticatedRoute):
    """A route that writes errors in the format of its dialect.

    A dialect whose clients send the key in a header of their own overrides `authorization`. A route that submits tasks
    derives from SubmissionRoute as well, so that the tenant's rate limit is checked before the body is read.
    """

    @staticmethod
    @abstractmethod
    def refuse(problem: Problem) -> Response:
        """The response for a refused request."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One foreign wire format."""

    name: str
    """Stored in the Callback of each task that was submitted in this dialect."""
    router: Router
    callback_body: Callable[[Manifest, Links], dict[str, Any]] | None = None
    """The JSON body of a callback; None: that of Hua's own API. Depends on nothing but its arguments, so that a retry
    sends the same bytes."""
    callback_pauses_s: tuple[float, ...] = ()
    """Pauses between the first tries of a callback, in seconds, in place of the short ones of Hua's own schedule."""
    prefixes: tuple[str, ...] = ()
    """Paths below which an address that does not exist is refused in this format, too."""
    refuse: Refusal | None = None
    """Writes these refusals; needed with `prefixes`."""
