"""The catalog as it is now: it is read again and again, and the new one takes the place of the old one as a whole."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from models.catalog.catalog import Catalog
from models.catalog.entry import CatalogError
from models.catalog.file_hashes import FileHashes
from models.catalog.folder_reader import FolderReader
from models.catalog.scan import Problem
from models.files.weights_error import one_line

log = logging.getLogger(__name__)
Listener = Callable[[Catalog], object]
NOT_READ = "models folder"
"""The name under which a problem with the folder itself is shown."""
MOST_LOGGED = 20


class Changes(NamedTuple):
    """How one catalog differs from the one before, as names of models."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Models whose files, or whose entries in `models.yaml`, are others now."""
    removed: tuple[str, ...] = ()


class LiveCatalog:
    """Holds the catalog. A reader takes `current` once, and what it has taken never changes.

    Any thread may call `refresh`.
    """

    def __init__(self, read: Callable[[], Catalog]) -> None:
        """Raises what `read` raises; later nothing does, and what fails is tried again at the next refresh."""
        self._read = read
        self._turn = threading.Lock()
        self._listeners: list[Listener] = []
        self.current = self._last_good = read()

    @classmethod
    def of(cls, folders: Sequence[Path], hashes: FileHashes | None = None) -> Self:
        """The catalog of these models folders. Raises CatalogError."""
        return cls(FolderReader(folders, hashes))

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener` with each new catalog, in the thread that has read it. Returns a function that ends this."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def refresh(self) -> Changes:
        """Reads again. If a folder or its `models.yaml` cannot be read, all models stay, and a problem says why."""
        with self._turn:
            before, after = self.current, self._read_again()
            if after is before or _content(before) == _content(after):
                return Changes()
            self.current = after
            changes = compare(before, after)
            _log(changes, [problem for problem in after.problems if problem not in before.problems])
            for listener in tuple(self._listeners):
                _call(listener, after)
            return changes

    def _read_again(self) -> Catalog:
        try:
            self._last_good = self._read()
            return self._last_good
        except (CatalogError, OSError) as error:
            return self._with_problem(str(error))
        except Exception as error:
            log.exception("the models cannot be read")
            return self._with_problem(f"the models cannot be read ({type(error).__name__}: {one_line(error)})")

    def _with_problem(self, message: str) -> Catalog:
        good = self._last_good
        problem = Problem(Path(), f"{message}; until then all models stay as they were", (NOT_READ,))
        return Catalog(good.entries, (*good.problems, problem), good.styles.values(), good.hashes)


def compare(before: Catalog, after: Catalog) -> Changes:
    old, new = ({entry.name: entry for entry in catalog} for catalog in (before, after))
    return Changes(
        added=tuple(name for name in new if name not in old),
        changed=tuple(name for name in new if name in old and new[name] != old[name]),
        removed=tuple(name for name in old if name not in new),
    )


def _call(listener: Listener, catalog: Catalog) -> None:
    try:
        listener(catalog)
    except Exception:
        log.exception("a part of this role has not taken over the new catalog")


def _content(catalog: Catalog) -> tuple[object, ...]:
    return catalog.entries, catalog.problems, catalog.styles


def _log(changes: Changes, problems: Sequence[Problem]) -> None:
    for what, names in zip(changes._fields, changes, strict=True):
        if names:
            shown = ", ".join(names[:MOST_LOGGED]) + (" …" if len(names) > MOST_LOGGED else "")
            log.info("models %s: %d (%s)", what, len(names), shown)
    for problem in problems[:MOST_LOGGED]:
        log.warning("%s", problem.message)
