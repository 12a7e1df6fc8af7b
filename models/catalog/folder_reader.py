"""Reads models folders again and again: mostly nothing has changed, and then it only looks at the files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.catalog.catalog import Catalog
from models.catalog.entry import FILE
from models.catalog.file_hashes import FileHashes
from models.catalog.file_stamps import Stamp, stamp_of
from models.catalog.packages import installed_packages
from models.catalog.read import read
from models.catalog.scan import Scanner
from models.catalog.styles_csv import STYLES_FILE

LISTS = (FILE, STYLES_FILE)
"""The files that say something about models, beside the models."""


class FolderReader:
    """Each call returns the catalog as it is now. Raises CatalogError, OSError."""

    def __init__(self, folders: Sequence[Path], hashes: FileHashes | None = None) -> None:
        self._folders = tuple(folders)
        self._hashes = hashes
        self._scanner = Scanner()
        self._last: Catalog | None = None
        self._lists: tuple[Stamp | None, ...] = ()
        """Stamps of the lists of each folder before they were read."""

    def __call__(self) -> Catalog:
        lists = tuple(_stamp_of_list(folder / name) for folder in self._folders for name in LISTS)
        if self._last is not None and lists == self._lists and self._scan_finds_the_same():
            return self._last
        self._last = None
        catalog = read(*self._folders, scanner=self._scanner, hashes=self._hashes)
        if self._is_all_scanned(catalog):
            self._last, self._lists = catalog, lists
        return catalog

    def _scan_finds_the_same(self) -> bool:
        before = self._scanner.state
        self._scanner.scan([*self._folders, *installed_packages()])
        return self._scanner.state == before

    def _is_all_scanned(self, catalog: Catalog) -> bool:
        """Whether a scan would show each change: it does not look at files elsewhere, nor at those that are missing."""
        paths = {value for entry in catalog for _, value in entry if isinstance(value, Path)}
        return paths <= self._scanner.paths and all(problem.path.name not in LISTS for problem in catalog.problems)


def _stamp_of_list(file: Path) -> Stamp | None:
    """None if there is no list, or none that can be read: `read` says so."""
    try:
        return stamp_of(file)
    except OSError:
        return None
