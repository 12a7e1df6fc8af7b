"""Who is asking: API keys, of which only hashes are kept, and the tenant that each belongs to."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable

from server.settings import SettingsError

ANONYMOUS = "anonymous"
_TENANT = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")


class UnauthorizedError(Exception):
    """No key was sent, or none of ours."""


def new_key(tenant: str) -> tuple[str, str]:
    """A key for its owner, shown this once, and the `tenant:sha256` that HUA_API_KEYS keeps of it."""
    if not _TENANT.fullmatch(tenant):
        raise SettingsError(f"tenant {tenant!r} must be 1 to 64 of a-z 0-9 . _ - and begin with a letter or digit")
    key = "hua_" + secrets.token_urlsafe(32)
    return key, f"{tenant}:{_hash(key)}"


class Keys:
    """The keys of HUA_API_KEYS. Without any, everyone is the tenant "anonymous"."""

    def __init__(self, settings: Iterable[str]) -> None:
        """Raises SettingsError for what is no `tenant:sha256`."""
        self._owners: list[tuple[str, str]] = []
        for setting in settings:
            tenant, _, digest = setting.partition(":")
            if not (_TENANT.fullmatch(tenant) and _HASH.fullmatch(digest)):
                raise SettingsError(
                    f"HUA_API_KEYS: {setting[:12]!r}… is not tenant:sha256; make one with `hua keys new TENANT`"
                )
            self._owners.append((tenant, digest))

    def __bool__(self) -> bool:
        return bool(self._owners)

    def tenant(self, authorization: str | None) -> str:
        """Whose key an Authorization header holds: `Bearer KEY`, or `Basic base64(ANY:KEY)`.

        A user name in Basic that is a tenant's name must be the key's own tenant. Raises UnauthorizedError.
        """
        if not self._owners:
            return ANONYMOUS
        user, key = _credentials(authorization)
        digest = _hash(key)
        matching = [tenant for tenant, known in self._owners if hmac.compare_digest(known, digest)]
        if not matching or (user in {tenant for tenant, _ in self._owners} and user not in matching):
            raise UnauthorizedError("this API key is not known here; check it, or ask the operator for a new one")
        return user if user in matching else matching[0]


def _credentials(authorization: str | None) -> tuple[str, str]:
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return "", value.strip()
    if scheme.lower() == "basic":
        try:
            user, colon, key = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if colon:
            return user, key
    raise UnauthorizedError(
        "an API key is needed: send `Authorization: Bearer KEY`, or Basic with the key in the password's place"
    )


def _hash(key: str) -> str:
    """A plain SHA-256 is enough, for keys are 32 random bytes and cannot be guessed offline."""
    return hashlib.sha256(key.encode()).hexdigest()
