"""The secret that signs links and callbacks: a file that is written at first use."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


class SecretFileError(Exception):
    """The file cannot be read or created, or it is empty."""


def read_secret(path: Path) -> bytes:
    """The secret in this file, which is created if it is missing. Raises SecretFileError."""
    try:
        if not path.exists():
            _create(path)
        secret = path.read_bytes().strip()
    except OSError as error:
        raise SecretFileError(
            f"the secret in {path} cannot be read or created ({error.strerror}); correct the rights of this file "
            "and its folder, or set HUA_SECRET"
        ) from error
    if not secret:
        raise SecretFileError(f"the secret in {path} is empty; delete the file, and a new one is created")
    return secret


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_hex(32))
    with contextlib.suppress(FileExistsError):  # roles that start together use the first one
        path.hardlink_to(draft)
    draft.unlink()
