"""Asks a running server to read its models folder at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx

from server.settings import Settings

TIMEOUT_S = 60.0


class RefreshError(Exception):
    """The server cannot be reached, or it has refused; the message says what to do."""


def refresh(settings: Settings, url: str | None, key_file: Path | None) -> Iterator[str]:
    """Lines that say what has changed, and what is wrong. Raises RefreshError.

    key_file: holds an API key; `-` is the standard input.
    """
    address = (url or _own_address(settings)).rstrip("/")
    key = _read_key(key_file)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        reply = httpx.post(f"{address}/v1/models/refresh", headers=headers, timeout=TIMEOUT_S, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise RefreshError(f"{address} cannot be reached ({error}); start `hua serve`, or correct --url") from error
    if not reply.is_success:
        raise RefreshError(f"{address} has refused: {_message(reply)}")
    changes = reply.json()
    for what in ("added", "changed", "removed"):
        yield from (f"{what}: {name}" for name in changes[what])
    yield from (f"{'not usable' if each['names'] else 'note'}: {each['message']}" for each in changes["problems"])
    if not any(changes.values()):
        yield "nothing has changed"


def _own_address(settings: Settings) -> str:
    """Of the server of this machine: one that listens on all addresses is asked at the loopback address."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - it only connects
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _read_key(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return (sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")).strip()
    except OSError as error:
        raise RefreshError(f"{file} cannot be read ({error.strerror}); correct --key-file") from error


def _message(reply: httpx.Response) -> str:
    try:
        message = str(reply.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = f"HTTP status {reply.status_code}"
    return f"{message}; give a key in --key-file" if reply.status_code in {401, 403} else message
