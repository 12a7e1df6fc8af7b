"""Authentication by API key. Only hashes of keys are stored."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from server.settings import SettingsError
from server.tenancy.policy import DEFAULT_SCOPES, TENANT, ApiKey, Scope

ANONYMOUS = "anonymous"
KEY_DIGITS = 16
"""Digits of a key's hash that tell it from the others, and are far too few to test keys with."""


class UnauthorizedError(Exception):
    """The API key is missing, unknown or expired."""


class MissingScopeError(Exception):
    """The API key is valid, but does not allow this."""


def new_key(tenant: str) -> tuple[str, str]:
    """A new key for a tenant, and the `tenant:sha256` that is stored. The key itself cannot be shown again.

    Raises SettingsError for a wrong tenant name.
    """
    if not TENANT.fullmatch(tenant):
        raise SettingsError(
            f"the tenant name {tenant!r} is wrong; use 1 to 64 of a-z 0-9 . _ - and begin with a letter or digit"
        )
    key = "hua_" + secrets.token_urlsafe(32)
    return key, f"{tenant}:{_hash(key)}"


@dataclass(frozen=True, slots=True)
class Caller:
    """The tenant that sent a request, and the scopes of its key."""

    tenant: str
    scopes: tuple[Scope, ...] = DEFAULT_SCOPES
    key: str = ""
    """The first digits of the hash of its key; empty where no key is needed."""

    def require(self, scope: Scope) -> None:
        """Raises MissingScopeError."""
        if scope not in self.scopes:
            raise MissingScopeError(
                f"this API key does not have the scope {scope!r}, only {', '.join(self.scopes)}; "
                "use another key, or ask the operator for a key with this scope"
            )


class ApiKeys:
    """All API keys with their tenants.

    `anonymous`: no key is needed, and every caller is the tenant ANONYMOUS. `clock` is unix time.
    Keys are looked up by their hash, so the time of a lookup reveals nothing about a key.
    """

    def __init__(
        self, keys: Iterable[tuple[str, ApiKey]], anonymous: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        self.anonymous = anonymous
        self._clock = clock
        self._by_hash: defaultdict[str, dict[str, ApiKey]] = defaultdict(dict)
        for tenant, key in keys:
            self._by_hash[key.sha256][tenant] = key
        self._tenants = {tenant for owners in self._by_hash.values() for tenant in owners}

    def authenticate(self, authorization: str | None) -> Caller:
        """The caller of an Authorization header: `Bearer KEY`, `Basic base64(ANY:KEY)`, or `Basic base64(KEY:)`.

        A user name in Basic that is the name of a tenant must be the tenant of the key. Raises UnauthorizedError.
        """
        if self.anonymous:
            return Caller(ANONYMOUS)
        user, key = _credentials(authorization)
        owners = self._by_hash.get(_hash(key), {})
        if not owners or (user in self._tenants and user not in owners):
            raise UnauthorizedError("this API key is unknown; check it, or ask the operator for a new one")
        tenant = user if user in owners else next(iter(owners))
        self._refuse_expired(owners[tenant])
        return Caller(tenant, owners[tenant].scopes, _hash(key)[:KEY_DIGITS])

    def _refuse_expired(self, key: ApiKey) -> None:
        if key.expires is not None and key.expires.timestamp() <= self._clock():
            raise UnauthorizedError(
                f"this API key expired at {key.expires:%Y-%m-%d %H:%M %Z}; ask the operator for a new one"
            )


def _credentials(authorization: str | None) -> tuple[str, str]:
    """The user name, empty for Bearer, and the key. Raises UnauthorizedError."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return "", value.strip()
    if scheme.lower() == "basic":
        try:
            user, colon, key = base64.b64decode(value, validate=True).decode(errors="replace").partition(":")
        except ValueError:  # not base64, or a header that is not ASCII
            colon = ""
        if colon:
            return (user, key) if key else ("", user)
    raise UnauthorizedError(
        "an API key is needed: send `Authorization: Bearer KEY`, or Basic with the key as the password"
    )


def _hash(key: str) -> str:
    """A plain SHA-256 is enough: keys are 32 random bytes, so they cannot be guessed from their hashes."""
    return hashlib.sha256(key.encode()).hexdigest()
