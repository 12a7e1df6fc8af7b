"""All tools: those that are shipped, and those of the operator's folder, read again when a file changes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from models.suggestions import did_you_mean
from server.tools.tool import Tool
from server.tools.tool_file import ToolFileError, read_tool

log = logging.getLogger(__name__)
SHIPPED = Path(__file__).parent / "shipped"
SUFFIXES = (".yaml", ".yml")
_Stamp = tuple[int, int]


class UnknownToolError(Exception):
    """There is no tool of this id for the tenant."""


class Tools:
    """A file of the operator replaces the shipped tool with the same id."""

    def __init__(self, folder: Path | None) -> None:
        self._folders = (SHIPPED,) if folder is None else (SHIPPED, folder)
        self._read: dict[Path, tuple[_Stamp, Tool | ToolFileError]] = {}

    def every(self) -> list[Tool]:
        """The tools as their files are now, by name. What is broken is left out."""
        return sorted((tool for _, tool in self._current()[0].values()), key=lambda tool: (tool.name, tool.id))

    def broken(self) -> list[str]:
        """Why files are no tools, a sentence each."""
        return self._current()[1]

    def find(self, id: str, tenant: str) -> Tool:
        """Raises UnknownToolError."""
        tools = {tool.id: tool for tool in self.every() if tool.is_for(tenant)}
        if id not in tools:
            hint = did_you_mean(id, tools) or f"there are: {', '.join(tools) or 'none'}"
            raise UnknownToolError(f"there is no tool {id!r}; {hint}")
        return tools[id]

    def picture(self, id: str, tenant: str, name: str) -> Path:
        """The file of one of the tool's covers. Raises UnknownToolError."""
        tool = self.find(id, tenant)
        if name not in tool.pictures:
            raise UnknownToolError(f"tool {id!r} has no picture {name!r}")
        return self._current()[0][id][0].parent / name

    def _current(self) -> tuple[Mapping[str, tuple[Path, Tool]], list[str]]:
        tools: dict[str, tuple[Path, Tool]] = {}
        faults: list[str] = []
        for folder in self._folders:
            files: dict[str, Path] = {}
            for file, found in self._of(folder):
                if isinstance(found, ToolFileError):
                    faults.append(str(found))
                elif found.id in files:
                    faults.append(f"{file.name} has the id {found.id!r} of {files[found.id].name}; give each its own")
                else:
                    files[found.id], tools[found.id] = file, (file, found)
        return tools, faults

    def _of(self, folder: Path) -> Iterator[tuple[Path, Tool | ToolFileError]]:
        try:
            files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
        except OSError as error:
            yield folder, ToolFileError(f"HUA_TOOLS_DIR={folder} cannot be read: {error.strerror}; correct it")
            return
        for file in files:
            yield file, self._tool(file)

    def _tool(self, file: Path) -> Tool | ToolFileError:
        try:
            state = file.stat()
        except OSError as error:
            return ToolFileError(f"{file.name} cannot be read: {error.strerror}")
        stamp = (state.st_mtime_ns, state.st_size)
        known = self._read.get(file)
        if known is not None and known[0] == stamp:
            return known[1]
        try:
            found: Tool | ToolFileError = read_tool(file)
        except ToolFileError as error:
            log.warning("%s", error)
            found = error
        self._read[file] = (stamp, found)
        return found
