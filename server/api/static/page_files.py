"""The files of the page at `/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import Response
from fastapi.staticfiles import StaticFiles

PAGE = Path(__file__).parent / "built"
"""The built page; its sources are beside it, and `make page` builds it."""
PAGE_HEADERS = {"Cache-Control": "no-cache"}
"""An upgrade changes the files and not their names. So browsers ask each time whether their copies are still right."""


class PageFiles(StaticFiles):
    """Files that browsers ask for each time; the answer is 304 where nothing has changed."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers.update(PAGE_HEADERS)
        return response
