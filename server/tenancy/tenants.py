"""The tenants there are now: those of `HUA_API_KEYS`, and those of the tenants file, read again when it changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from server.settings import Settings, SettingsError
from server.tenancy.auth import Keys
from server.tenancy.policy import DEFAULT_POLICY, SHA256, TENANT, ApiKey, TenantPolicy, TermsError, read

log = logging.getLogger(__name__)
LOOK_EVERY_S = 1.0

Version = tuple[int, int, int] | None
"""What tells one version of a file from another: its time, its inode (a mounted secret is swapped), its size."""


@dataclass(frozen=True, slots=True)
class TenantSnapshot:
    """Keys and terms that belong together."""

    keys: Keys
    terms: dict[str, TenantPolicy]


class Tenants:
    """Nothing is read before it is asked for, since only the api asks. Keys expire by `clock`, unix time.

    The first reading raises SettingsError; a broken version that comes later is logged, and the one before it stays.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = settings.tenants
        self._listed = settings.api_keys
        self._clock = clock
        self._monotonic = monotonic
        self._looked_at = monotonic()
        self._version: Version = None
        self._known: TenantSnapshot | None = None

    def check(self) -> None:
        """Raises SettingsError."""
        self._now()

    @property
    def keys(self) -> Keys:
        return self._now().keys

    def terms(self, tenant: str) -> TenantPolicy:
        return self._now().terms.get(tenant, DEFAULT_POLICY)

    def _now(self) -> TenantSnapshot:
        if self._known is None:
            self._known = self._read()
        elif self._path is not None and self._monotonic() - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = self._monotonic()
            if _version(self._path) != self._version:
                self._known = self._read_again(self._known)
        return self._known

    def _read(self) -> TenantSnapshot:
        terms: dict[str, TenantPolicy] = {}
        if self._path is not None:
            self._version = _version(self._path)  # before the content: a change in between is then seen later
            terms = read(self._path)
        owned = [*keys_from_settings(self._listed), *((tenant, key) for tenant in terms for key in terms[tenant].keys)]
        anonymous = self._path is None and not self._listed
        return TenantSnapshot(Keys(owned, anonymous, self._clock), terms)

    def _read_again(self, before: TenantSnapshot) -> TenantSnapshot:
        try:
            known = self._read()
        except TermsError as error:
            log.error("the tenants stay as they were: %s", error)
            return before
        log.info("read %s again: %d tenants", self._path, len(known.terms))
        return known


def _version(path: Path) -> Version:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def keys_from_settings(settings: tuple[str, ...]) -> Iterator[tuple[str, ApiKey]]:
    """The `tenant:sha256` of HUA_API_KEYS; raises SettingsError for what is none."""
    for setting in settings:
        tenant, _, digest = setting.partition(":")
        if not (TENANT.fullmatch(tenant) and SHA256.fullmatch(digest)):
            raise SettingsError(
                f"HUA_API_KEYS: {setting[:12]!r}… is not tenant:sha256; make one with `hua keys new TENANT`"
            )
        yield tenant, ApiKey(sha256=digest)
