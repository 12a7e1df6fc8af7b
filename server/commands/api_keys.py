"""What an operator does with API keys on the command line; each deed answers what is to be printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from models.atomic_write import replacing
from server.settings import Settings, SettingsError
from server.tenancy.auth import new_key
from server.tenancy.policy import ApiKey, Scope, read_policies
from server.tenancy.tenants import keys_from_settings
from server.tenancy.tenants_file import EMPTY, key_line, with_key, without_key

SHOWN, SHORTEST = 12, 6
"""Digits of a hash: those that `list` shows, and the fewest that name a key."""


def make(settings: Settings, tenant: str, scopes: Sequence[Scope], days: float | None, note: str) -> str:
    """Makes a key and keeps its hash in the tenants file, where there is one and it can be written."""
    secret, setting = new_key(tenant)
    shown = f"The key, shown this once: {secret}\n"
    if settings.tenants is None:
        if scopes or days is not None or note:
            raise SettingsError("scopes, an end and a note are kept in a tenants file; name one in HUA_TENANTS")
        return f"{shown}Add to HUA_API_KEYS:      {setting}"
    key = _key(setting.partition(":")[2], scopes, days, note)
    changed = with_key(_text(settings.tenants), tenant, key)
    try:
        _write(settings.tenants, changed)
    except OSError as error:
        why = f"{settings.tenants} cannot be written ({error.strerror})"
        return f"{shown}{why}; add to the keys of {tenant}:\n- {key_line(key)}"
    return f"{shown}Its hash is in {settings.tenants}."


def _key(sha256: str, scopes: Sequence[Scope], days: float | None, note: str) -> ApiKey:
    """Only what is said is set, so that no more is written into the file."""
    said: dict[str, Any] = {"sha256": sha256}
    if scopes:
        said["scopes"] = tuple(dict.fromkeys(scopes))
    if days is not None:
        said["expires"] = (datetime.now(UTC) + timedelta(days)).replace(microsecond=0)
    if note:
        said["note"] = note
    try:
        return ApiKey(**said)
    except ValidationError as error:
        raise SettingsError("the note must be one line of 200 characters at most; shorten it") from error


def table(settings: Settings) -> str:
    """Every key that is kept, one to a line."""
    rows = [
        f"{key.sha256[:SHOWN]}  {tenant:20}  {', '.join(key.scopes):24}  {_end(key):22}  {key.note}".rstrip()
        for tenant, key in _all(settings)
    ]
    return "\n".join(rows) or "There are no keys."


def revoke(settings: Settings, prefix: str) -> str:
    """Takes a key out of the tenants file."""
    found = {key.sha256 for _, key in _all(settings) if key.sha256.startswith(prefix)}
    if len(prefix) < SHORTEST or len(found) != 1:
        raise SettingsError(
            f"{prefix!r} names {len(found)} keys; give the first digits of one hash, {SHORTEST} or more, "
            "as `hua keys list` shows it"
        )
    (sha256,) = found
    if any(key.sha256 == sha256 for _, key in keys_from_settings(settings.api_keys)):
        raise SettingsError(f"this key is in HUA_API_KEYS; take {sha256[:SHOWN]}… out there, and start the api again")
    assert settings.tenants is not None  # noqa: S101 - it is in neither place otherwise
    try:
        _write(settings.tenants, without_key(_text(settings.tenants), sha256))
    except OSError as error:
        raise SettingsError(
            f"{settings.tenants} cannot be written ({error.strerror}); take the key {sha256[:SHOWN]}… out by hand"
        ) from error
    return f"Revoked {sha256[:SHOWN]}…; it is refused from a second from now on."


def _all(settings: Settings) -> Iterator[tuple[str, ApiKey]]:
    yield from keys_from_settings(settings.api_keys)
    if settings.tenants is not None:
        terms = read_policies(settings.tenants)
        for tenant in terms:
            yield from ((tenant, key) for key in terms[tenant].keys)


def _end(key: ApiKey) -> str:
    if key.expires is None:
        return "never expires"
    return f"{'expired' if key.expires <= datetime.now(UTC) else 'until'} {key.expires:%Y-%m-%d %H:%M}"


def _text(path: Path) -> str:
    """Raises SettingsError for a file that is wrong: it is not for us to change."""
    if not path.exists():
        return EMPTY
    read_policies(path)
    return path.read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    """The whole file at once, for somebody may be reading it; with the rights it had, or for its owner alone."""
    target = path.resolve()
    with replacing(target) as draft:
        draft.touch(mode=0o600)
        draft.write_text(text, encoding="utf-8")
        if target.exists():
            draft.chmod(target.stat().st_mode & 0o777)
