"""The operator's wildcards: text files whose lines a prompt may name, `__animals__` for `animals.txt`."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from server.prompts.dynamic_prompts import DynamicPromptError, unknown_wildcard

SUFFIX = ".txt"
MAX_BYTES = 4_000_000
"""Of one file."""


class Wildcards:
    """The files of a folder and of the folders in it, read again when they change."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[tuple[int, int], tuple[str, ...]]] = {}

    def names(self) -> list[str]:
        """The names that prompts may use, such as `animals` and `season/spring`, in order."""
        return sorted(self._files())

    def lines(self, name: str) -> Sequence[str]:
        """The lines of the wildcard, of any case; `season/*` are those of all files there.

        Empty lines and those that begin with # are left out. Raises DynamicPromptError if no file has the name, or the
        file cannot be read.
        """
        files = self._files()
        wanted = name.strip().lower()
        matching = [file for known, file in files.items() if fnmatchcase(known.lower(), wanted)]
        if not matching:
            raise unknown_wildcard(name, sorted(files))
        found = [line for file in matching for line in self._lines_of(file, name)]
        if not found:
            raise DynamicPromptError(f"the wildcard __{name}__ has no lines; the operator must write some")
        return found

    def _files(self) -> dict[str, Path]:
        files = self._folder.rglob(f"*{SUFFIX}")
        return {file.relative_to(self._folder).as_posix().removesuffix(SUFFIX): file for file in sorted(files)}

    def _lines_of(self, file: Path, name: str) -> tuple[str, ...]:
        try:
            state = file.stat()
            stamp = (state.st_mtime_ns, state.st_size)
            known = self._read.get(file)
            if known is not None and known[0] == stamp:
                return known[1]
            if state.st_size > MAX_BYTES:
                raise DynamicPromptError(f"the file of __{name}__ is larger than {MAX_BYTES} bytes; split it")
            text = file.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise DynamicPromptError(f"the file of __{name}__ cannot be read; the operator must mend it") from error
        stripped = (line.strip() for line in text.splitlines())
        lines = tuple(line for line in stripped if line and not line.startswith("#"))
        self._read[file] = (stamp, lines)
        return lines
