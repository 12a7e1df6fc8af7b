"""The commands of `hua keys`. Each function returns the text to print."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import ValidationError

from models.atomic_write import replacing
from server.settings import Settings, SettingsError
from server.tenancy.auth import new_key
from server.tenancy.policy import ApiKey, Scope, read_policies
from server.tenancy.tenants import keys_from_settings
from server.tenancy.tenants_file import EMPTY, key_line, with_key, without_key

SHOWN_DIGITS, LEAST_DIGITS = 12, 6
"""Digits of a hash: those that `list` shows, and the least that name a key."""


def make(settings: Settings, tenant: str, scopes: Sequence[Scope], days: float | None, note: str) -> str:
    """Creates a key and writes its hash into the tenants file, if there is one that can be written."""
    secret, setting = new_key(tenant)
    text = f"The key, shown only this once: {secret}\n"
    if settings.tenants is None:
        if scopes or days is not None or note:
            raise SettingsError("scopes, days and a note need a tenants file; name one in HUA_TENANTS")
        return f"{text}Add to HUA_API_KEYS:      {setting}"
    key = _key(setting.partition(":")[2], scopes, days, note)
    try:
        _edit(settings.tenants, lambda text: with_key(text, tenant, key))
    except OSError as error:
        reason = f"{settings.tenants} cannot be written ({error.strerror})"
        return f"{text}{reason}; add to the keys of {tenant}:\n- {key_line(key)}"
    return f"{text}Its hash is in {settings.tenants}."


def _key(sha256: str, scopes: Sequence[Scope], days: float | None, note: str) -> ApiKey:
    """Sets only the options that were passed, so that no defaults are written into the file."""
    fields: dict[str, Any] = {"sha256": sha256}
    if scopes:
        fields["scopes"] = tuple(dict.fromkeys(scopes))
    if days is not None:
        fields["expires"] = (datetime.now(UTC) + timedelta(days)).replace(microsecond=0)
    if note:
        fields["note"] = note
    try:
        return ApiKey(**fields)
    except ValidationError as error:
        raise SettingsError("the note must be one line of 200 characters at most; shorten it") from error


def table(settings: Settings) -> str:
    """All keys, one per line."""
    rows = [
        f"{key.sha256[:SHOWN_DIGITS]}  {tenant:20}  {', '.join(key.scopes):24}  {_end(key):22}  {key.note}".rstrip()
        for tenant, key in _all(settings)
    ]
    return "\n".join(rows) or "There are no keys."


def revoke(settings: Settings, prefix: str) -> str:
    """Removes a key from the tenants file."""
    matches = {key.sha256 for _, key in _all(settings) if key.sha256.startswith(prefix)}
    if len(prefix) < LEAST_DIGITS or len(matches) != 1:
        raise SettingsError(
            f"{prefix!r} matches {len(matches)} keys; write the first digits of one hash, {LEAST_DIGITS} or more, "
            "as `hua keys list` shows it"
        )
    (sha256,) = matches
    if any(key.sha256 == sha256 for _, key in keys_from_settings(settings.api_keys)):
        raise SettingsError(f"this key is in HUA_API_KEYS; remove {sha256[:SHOWN_DIGITS]}… there, and restart the api")
    assert settings.tenants is not None  # noqa: S101 - else the key would be in HUA_API_KEYS
    try:
        _edit(settings.tenants, lambda text: without_key(text, sha256))
    except OSError as error:
        raise SettingsError(
            f"{settings.tenants} cannot be written ({error.strerror}); remove the key {sha256[:SHOWN_DIGITS]}… by hand"
        ) from error
    return f"Revoked {sha256[:SHOWN_DIGITS]}…; it is refused within a second."


def _all(settings: Settings) -> Iterator[tuple[str, ApiKey]]:
    yield from keys_from_settings(settings.api_keys)
    if settings.tenants is not None:
        policies = read_policies(settings.tenants)
        for tenant in policies:
            yield from ((tenant, key) for key in policies[tenant].keys)


def _end(key: ApiKey) -> str:
    if key.expires is None:
        return "never expires"
    return f"{'expired' if key.expires <= datetime.now(UTC) else 'until'} {key.expires:%Y-%m-%d %H:%M}"


def _text(path: Path) -> str:
    """Raises SettingsError for an invalid file, which must not be changed."""
    if not path.exists():
        return EMPTY
    read_policies(path)
    return path.read_text(encoding="utf-8")


def _edit(path: Path, change: Callable[[str], str]) -> None:
    """Replaces the file by `change` of its text, under a lock, so that no command overwrites another's change.

    Readers see the old file or the new one. The file keeps its mode; a new file is private. The change is on the disk
    when this returns. Raises OSError, and SettingsError for an invalid file.
    """
    target = path.resolve()
    with FileLock(target.with_name(f".{target.name}.lock")), replacing(target) as draft:
        draft.touch(mode=0o600)
        with draft.open("w", encoding="utf-8") as file:
            file.write(change(_text(target)))
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            draft.chmod(target.stat().st_mode & 0o777)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
