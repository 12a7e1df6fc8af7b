"""Wire formats of other APIs. Each package in this folder that holds a `Dialect` is served; nothing else lists them.

What a dialect is built from, so that it needs no state and no way around submission:

* `dialect.py`: `Dialect`, and `DialectRoute` with the hooks `refuse` (errors in the format of the dialect) and
  `authorization` (the key from another header).
* `server/tasks/waiting.py`: submit several tasks, and wait for their ends without holding a thread.
* `forms.py`: read multipart forms.
* `workflows.py`: build the workflow of a painting with something before or after it, such as cutting out.
* `image_prompts.py`: make pictures act as prompts.
* `pictures.py`: turn files that clients send into input images, and read the files of results.
* `model_names.py`: which names of models stand for the default model.
* `Catalog.styles` (`models/catalog/style.py`): the operator's table `styles:` in `models.yaml`.
"""

from __future__ import annotations

import importlib
import json
import pkgutil

from server.api.dialects.dialect import Dialect, Refusal
from server.api.errors import Problem
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


def refusal_below(path: str) -> Refusal:
    """How an address without a route is refused: as the dialect of its prefix does, else as Hua's own API does."""
    for dialect in every():
        if dialect.refuse is not None and path.startswith(dialect.prefixes):
            return dialect.refuse
    return Problem.response


def callback_bytes(manifest: Manifest, links: Links) -> bytes:
    """The body of a task's callback in the dialect of its submission; the same bytes at every attempt.

    Hua's own format if that dialect has no callbacks, or this server has it no longer.
    """
    dialect = _dialect_of_callback(manifest)
    if dialect is None or dialect.callback_body is None:
        return task_reply(from_manifest(manifest), links).model_dump_json().encode()
    return json.dumps(dialect.callback_body(manifest, links), ensure_ascii=False).encode()


def callback_pauses_s(manifest: Manifest) -> tuple[float, ...]:
    """The pauses between the first tries of a task's callback; empty: those of Hua's own schedule."""
    dialect = _dialect_of_callback(manifest)
    return () if dialect is None else dialect.callback_pauses_s


def _dialect_of_callback(manifest: Manifest) -> Dialect | None:
    callback = manifest.task.callback
    return _by_name.get(callback.dialect) if callback else None
