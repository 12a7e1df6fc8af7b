"""The operator's tools."""

from __future__ import annotations

from collections.abc import Iterator

from server.commands.preflight.finding import Finding
from server.settings import Settings
from server.tools.tools import Tools


def check_tools(settings: Settings) -> Iterator[Finding]:
    """Nothing is found if HUA_TOOLS_DIR is not set."""
    if settings.tools_dir is None:
        return
    tools = Tools(settings.tools_dir)
    faults = tools.broken()
    for fault in faults:
        yield Finding("tools", "warn", fault, "correct the file; docs/tools.md shows what it must be")
    if not faults:
        yield Finding("tools", "ok", ", ".join(tool.id for tool in tools.every()))
