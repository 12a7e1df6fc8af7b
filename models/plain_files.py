"""Opens files that others have put into a folder: some are pipes, devices, or links in a circle."""

from __future__ import annotations

import errno
import json
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

MAX_JSON_BYTES = 16 << 20
"""Configs have some kB."""


def open_plain(file: Path) -> BufferedReader:
    """Opens a file to read it. Raises OSError, also for a pipe, because opening one waits for another process."""
    return open(file, "rb", opener=_open_plain)


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in a file; empty if there is no such file, or it holds anything else."""
    try:
        with open_plain(file) as opened:
            content = json.loads(opened.read(MAX_JSON_BYTES).decode("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def is_file(path: Path) -> bool:
    """Whether a file is there, links followed. Path.is_file raises PermissionError and others."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """The same of a folder."""
    try:
        return path.is_dir()
    except OSError:
        return False


def resolve(path: Path) -> Path:
    """The absolute path, links followed. Raises OSError for links in a circle and for what can be no path or name."""
    try:
        resolved = path.resolve()
        str(resolved).encode()
    except RuntimeError as error:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from error
    except UnicodeEncodeError as error:
        raise OSError(errno.EILSEQ, "its name is not UTF-8; rename it", str(path)) from error
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    return resolved


def _open_plain(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(code, "it is no regular file", path)
    return descriptor
