"""Wire formats of other APIs. Each package in this folder that holds a `Dialect` is served; nothing else lists them."""

from __future__ import annotations

import importlib
import json
import pkgutil

from server.api.dialects.dialect import Dialect
from server.api.task_response import task_reply
from server.storage.signed_links import Links
from server.task import Manifest
from server.tasks.lookup import from_manifest


def _discover() -> dict[str, Dialect]:
    modules = [importlib.import_module(module.name) for module in pkgutil.iter_modules(__path__, __name__ + ".")]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Dialect)]
    return {dialect.name: dialect for dialect in found}


_by_name = _discover()


def every() -> tuple[Dialect, ...]:
    """All dialects."""
    return tuple(_by_name.values())


def callback_bytes(manifest: Manifest, links: Links) -> bytes:
    """The body of a task's callback in the dialect of its submission; the same bytes at every attempt.

    Hua's own format if this server has that dialect no longer.
    """
    callback = manifest.task.callback
    dialect = _by_name.get(callback.dialect) if callback else None
    if dialect is None:
        return task_reply(from_manifest(manifest), links).model_dump_json().encode()
    return json.dumps(dialect.callback_body(manifest, links), ensure_ascii=False).encode()
