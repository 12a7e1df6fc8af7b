"""Who is asking: API keys, of which only hashes are kept, whose each is, and what it may be used for."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from server.settings import SettingsError
from server.tenancy.policy import TENANT, USUAL_SCOPES, ApiKey, Scope

ANONYMOUS = "anonymous"


class UnauthorizedError(Exception):
    """No key was sent, none of ours, or one that has expired."""


class MissingScopeError(Exception):
    """The key is good, but not for this."""


def new_key(tenant: str) -> tuple[str, str]:
    """A key for its owner, shown this once, and the `tenant:sha256` that is kept of it."""
    if not TENANT.fullmatch(tenant):
        raise SettingsError(f"tenant {tenant!r} must be 1 to 64 of a-z 0-9 . _ - and begin with a letter or digit")
    key = "hua_" + secrets.token_urlsafe(32)
    return key, f"{tenant}:{_hash(key)}"


@dataclass(frozen=True, slots=True)
class Caller:
    """A tenant, and what the key that it came with is good for."""

    tenant: str
    scopes: tuple[Scope, ...] = USUAL_SCOPES

    def need(self, scope: Scope) -> None:
        """Raises MissingScopeError."""
        if scope not in self.scopes:
            raise MissingScopeError(
                f"this API key has no scope {scope!r}, only {', '.join(self.scopes)}; "
                "use another key, or ask the operator for one that has it"
            )


class Keys:
    """Every key there is, with its tenant. `anonymous`: there are to be none, and everyone is the tenant of this name.

    `clock` is unix time. A key is looked up by its hash: how long that takes tells nothing about any key.
    """

    def __init__(
        self, owned: Iterable[tuple[str, ApiKey]], anonymous: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        self.anonymous = anonymous
        self._clock = clock
        self._by_hash: defaultdict[str, dict[str, ApiKey]] = defaultdict(dict)
        for tenant, key in owned:
            self._by_hash[key.sha256][tenant] = key
        self._tenants = {tenant for owners in self._by_hash.values() for tenant in owners}

    def caller(self, authorization: str | None) -> Caller:
        """Whose key an Authorization header holds: `Bearer KEY`, or `Basic base64(ANY:KEY)`.

        A user name in Basic that is a tenant's name must be the key's own tenant. Raises UnauthorizedError.
        """
        if self.anonymous:
            return Caller(ANONYMOUS)
        user, key = _credentials(authorization)
        owners = self._by_hash.get(_hash(key), {})
        if not owners or (user in self._tenants and user not in owners):
            raise UnauthorizedError("this API key is not known here; check it, or ask the operator for a new one")
        tenant = user if user in owners else next(iter(owners))
        self._refuse_expired(owners[tenant])
        return Caller(tenant, owners[tenant].scopes)

    def _refuse_expired(self, key: ApiKey) -> None:
        if key.expires is not None and key.expires.timestamp() <= self._clock():
            raise UnauthorizedError(
                f"this API key expired at {key.expires:%Y-%m-%d %H:%M %Z}; ask the operator for a new one"
            )


def _credentials(authorization: str | None) -> tuple[str, str]:
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return "", value.strip()
    if scheme.lower() == "basic":
        try:
            user, colon, key = base64.b64decode(value, validate=True).decode().partition(":")
        except ValueError:  # no base64, no text, or a header that is not even ASCII
            colon = ""
        if colon:
            return user, key
    raise UnauthorizedError(
        "an API key is needed: send `Authorization: Bearer KEY`, or Basic with the key in the password's place"
    )


def _hash(key: str) -> str:
    """A plain SHA-256 is enough, for keys are 32 random bytes and cannot be guessed offline."""
    return hashlib.sha256(key.encode()).hexdigest()
