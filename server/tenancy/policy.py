"""What each tenant may do, and how much: the tenants file (`HUA_TENANTS`; docs/tenants.md describes it)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from models.pydantic_errors import message_of
from models.suggestions import did_you_mean
from models.yaml_lines import line_of
from server.settings import SettingsError
from server.task import KEEP, AnyRetention, ImageAudit, Priority, Retention, TextAction

Scope = Literal["submit", "read", "upload", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
DEFAULT_SCOPES: tuple[Scope, ...] = ("submit", "read", "upload")
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
RETENTIONS: tuple[AnyRetention, ...] = (*get_args(Retention), KEEP)

TENANT = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
TenantName = Annotated[str, StringConstraints(pattern=f"^{TENANT.pattern}$")]
SHA256 = re.compile(r"[0-9a-f]{64}")
Hash = Annotated[str, StringConstraints(pattern=f"^{SHA256.pattern}$")]
Instant = Annotated[datetime, AfterValidator(lambda at: at if at.tzinfo else at.replace(tzinfo=UTC))]
ListName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
AllowedWord = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Nullable = BeforeValidator(lambda value: () if value is None else value)
"""A list without items reads as null in YAML's block style."""
Off = BeforeValidator(lambda value: "off" if value is False else value)
"""YAML 1.1 reads `off` as false."""


class TenantsFileError(SettingsError):
    """The tenants file is missing or invalid; the message names the line, and says what to do."""


class NotAllowedError(Exception):
    """The tenant's policy does not allow a value of the request. `field` is the part of the request."""

    def __init__(self, field: str, value: str, allowed: Sequence[str]) -> None:
        super().__init__(
            f"{field} {value!r} is not allowed for this tenant; use {' or '.join(allowed)}, or ask the operator "
            "for more"
        )
        self.field = field


class StrictModel(BaseModel):
    """Refuses unknown names, because a misspelt limit would have no effect."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Rate(StrictModel):
    """Limit of submissions: a token bucket of `burst` tokens that refills at `per_minute`."""

    per_minute: float = Field(gt=0, le=1_000_000)
    burst: int = Field(10, ge=1, le=1_000_000)


class ApiKey(StrictModel):
    """One API key, stored as its hash. `expires` without a time zone is in UTC."""

    sha256: Hash
    scopes: tuple[Scope, ...] = Field(DEFAULT_SCOPES, min_length=1)
    expires: Instant | None = None
    note: str = Field("", max_length=200, pattern=r"^[^\p{Cc}\p{Zl}\p{Zp}]*$")


class AuditPolicy(StrictModel):
    """How the words and images of a tenant's tasks are audited; docs/audit.md."""

    text: Annotated[TextAction | None, Off] = None
    """What happens to words that are found; None: HUA_TEXT_AUDIT."""
    lists: Annotated[tuple[ListName, ...], Nullable] = ()
    """The word lists that count, or the beginnings of their names; empty: all."""
    allow: Annotated[tuple[AllowedWord, ...], Nullable] = Field((), max_length=1000)
    """Words that do not count."""
    images: Annotated[ImageAudit, Off] = "default"


class TenantPolicy(StrictModel):
    """What one tenant of the file may do."""

    keys: Annotated[tuple[ApiKey, ...], Nullable] = ()
    task_limit: int | None = Field(None, ge=1)
    """The most unfinished tasks; None: HUA_TASK_LIMIT."""
    upload_count: int | None = Field(None, ge=1)
    """The most image files that are stored at a time; None: HUA_UPLOAD_COUNT."""
    upload_bytes: ByteSize | None = Field(None, ge=1)
    """The most bytes that these files have in all; None: HUA_UPLOAD_BYTES."""
    keep_bytes: ByteSize | None = Field(None, ge=0)
    """The most bytes of images that are kept without end; None: HUA_KEEP_BYTES."""
    rate: Rate | None = None
    prompt_rate: Rate | None = None
    """Limit of prompts that are translated without a task; None: no limit."""
    weight: float = Field(1.0, ge=0.01, le=100)
    """The tenant's share of the devices, relative to other tenants."""
    priorities: tuple[Priority, ...] = Field(("normal", "low"), min_length=1)
    retentions: tuple[AnyRetention, ...] = Field(RETENTIONS, min_length=1)
    """The first one is the default if HUA_RETENTION is not allowed."""
    audit: AuditPolicy = AuditPolicy()


DEFAULT_POLICY = TenantPolicy(priorities=PRIORITIES)
"""For tenants that are not in the file."""


class TenantsFile(StrictModel):
    tenants: dict[TenantName, Annotated[TenantPolicy, BeforeValidator(lambda policy: {} if policy is None else policy)]]


def read_policies(path: Path) -> dict[str, TenantPolicy]:
    """The policy of each tenant. Raises TenantsFileError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TenantsFileError(
            f"HUA_TENANTS={path} cannot be read ({error}); docs/tenants.md shows what the file must be"
        ) from error
    try:
        return parse_policies(text)
    except TenantsFileError as error:
        raise TenantsFileError(f"{path}{error}") from error


def parse_policies(text: str) -> dict[str, TenantPolicy]:
    """The policy of each tenant. Raises TenantsFileError; its message is meant to follow the name of the file."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TenantsFileError(f" is not valid YAML: {' '.join(str(error).split())}") from error
    try:
        return dict(TenantsFile.model_validate(content).tenants)
    except ValidationError as error:
        # A misspelt name comes first: it is often the reason why another is missing.
        first = min(error.errors(include_url=False), key=lambda detail: detail["type"] != "extra_forbidden")
        path = [part for part in first["loc"] if part != "[key]"]
        raise TenantsFileError(f", line {line_of(text, path)}: {_sentence(first, '.'.join(map(str, path)))}") from error


def _sentence(error: Mapping[str, Any], path: str) -> str:
    if error["type"] != "extra_forbidden":
        if not path:
            return "the file must be a list `tenants:` of names and policies; docs/tenants.md shows how"
        message = message_of(error)
        return f"{path}: {message[0].lower()}{message[1:]}"
    models: dict[int, type[BaseModel]] = {1: TenantsFile, 3: TenantPolicy, 4: Rate}
    model = AuditPolicy if "audit" in error["loc"][2:3] else models.get(len(error["loc"]), ApiKey)
    names = list(model.model_fields)
    hint = did_you_mean(str(error["loc"][-1]), names) or f"use one of {', '.join(names)}"
    return f"{path} is unknown; {hint}"
