"""The current tenants: those of `HUA_API_KEYS` and of the tenants file, which is read again when it changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from server.settings import Settings, SettingsError
from server.tenancy.auth import ApiKeys
from server.tenancy.policy import (
    DEFAULT_POLICY,
    SHA256,
    TENANT,
    ApiKey,
    TenantPolicy,
    TenantsFileError,
    read_policies,
)

log = logging.getLogger(__name__)
CHECK_EVERY_S = 1.0

FileVersion = tuple[int, int, int] | None
"""Modification time, inode and size of a file. The inode is needed for mounted secrets, which are swapped."""


@dataclass(frozen=True, slots=True)
class TenantSnapshot:
    """Keys and policies that were read together."""

    keys: ApiKeys
    policies: dict[str, TenantPolicy]


class Tenants:
    """Keys and policies of all tenants. Nothing is read before the first use, because only the api needs them.

    The first read raises SettingsError. If a later version of the file is invalid, an error is logged and the version
    before it stays in use. `clock` is unix time, by which keys expire.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = settings.tenants
        self._api_keys = settings.api_keys
        self._clock = clock
        self._monotonic = monotonic
        self._checked_at = monotonic()
        self._version: FileVersion = None
        self._snapshot: TenantSnapshot | None = None

    def check(self) -> None:
        """Raises SettingsError."""
        self._current()

    @property
    def keys(self) -> ApiKeys:
        return self._current().keys

    def policy(self, tenant: str) -> TenantPolicy:
        return self._current().policies.get(tenant, DEFAULT_POLICY)

    def _current(self) -> TenantSnapshot:
        if self._snapshot is None:
            self._snapshot = self._read()
        elif self._path is not None and self._monotonic() - self._checked_at >= CHECK_EVERY_S:
            self._checked_at = self._monotonic()
            if _file_version(self._path) != self._version:
                self._snapshot = self._read_again(self._snapshot)
        return self._snapshot

    def _read(self) -> TenantSnapshot:
        policies: dict[str, TenantPolicy] = {}
        if self._path is not None:
            # The version is read before the content, so that a change between the two is noticed later.
            self._version = _file_version(self._path)
            policies = read_policies(self._path)
        keys = [
            *keys_from_settings(self._api_keys),
            *((tenant, key) for tenant, policy in policies.items() for key in policy.keys),
        ]
        anonymous = self._path is None and not self._api_keys
        return TenantSnapshot(ApiKeys(keys, anonymous, self._clock), policies)

    def _read_again(self, previous: TenantSnapshot) -> TenantSnapshot:
        try:
            snapshot = self._read()
        except TenantsFileError as error:
            log.error("the tenants stay as they were: %s", error)
            return previous
        log.info("read %s again: %d tenants", self._path, len(snapshot.policies))
        return snapshot


def _file_version(path: Path) -> FileVersion:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def keys_from_settings(entries: tuple[str, ...]) -> Iterator[tuple[str, ApiKey]]:
    """The keys of HUA_API_KEYS, whose entries are `tenant:sha256`. Raises SettingsError for another form."""
    for entry in entries:
        tenant, _, digest = entry.partition(":")
        if not (TENANT.fullmatch(tenant) and SHA256.fullmatch(digest)):
            raise SettingsError(
                f"HUA_API_KEYS: {entry[:12]!r}… is not tenant:sha256; create a key with `hua keys new TENANT`"
            )
        yield tenant, ApiKey(sha256=digest)
