"""What each tenant may do, and how much, as the tenants file says it (`HUA_TENANTS`; docs/tenants.md describes it)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from models.suggestions import did_you_mean
from server.settings import SettingsError
from server.task import Priority, Retention

Scope = Literal["submit", "read", "upload", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
USUAL_SCOPES: tuple[Scope, ...] = ("submit", "read", "upload")
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
RETENTIONS: tuple[Retention, ...] = get_args(Retention)

TENANT = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
TenantName = Annotated[str, StringConstraints(pattern=f"^{TENANT.pattern}$")]
SHA256 = re.compile(r"[0-9a-f]{64}")
Hash = Annotated[str, StringConstraints(pattern=f"^{SHA256.pattern}$")]
Instant = Annotated[datetime, AfterValidator(lambda at: at if at.tzinfo else at.replace(tzinfo=UTC))]
Nullable = BeforeValidator(lambda value: () if value is None else value)
"""A list whose last item was taken out reads as null in YAML."""


class TermsError(SettingsError):
    """The tenants file is missing or wrong; the message says in which line, and what to do."""


class StrictModel(BaseModel):
    """Unknown names are refused: a limit that is misspelt would be no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Rate(StrictModel):
    """Submissions: a bucket of `burst` tokens that fills at `per_minute`."""

    per_minute: float = Field(gt=0, le=1_000_000)
    burst: int = Field(10, ge=1, le=1_000_000)


class ApiKey(StrictModel):
    """One API key, of which only the hash is kept. `expires` without a time zone is UTC."""

    sha256: Hash
    scopes: tuple[Scope, ...] = Field(USUAL_SCOPES, min_length=1)
    expires: Instant | None = None
    note: str = Field("", max_length=200, pattern=r"^[^\p{Cc}\p{Zl}\p{Zp}]*$")


class TenantPolicy(StrictModel):
    """One tenant of the file. `task_limit` None: HUA_TASK_LIMIT."""

    keys: Annotated[tuple[ApiKey, ...], Nullable] = ()
    task_limit: int | None = Field(None, ge=1)
    rate: Rate | None = None
    weight: float = Field(1.0, ge=0.01, le=100)
    priorities: tuple[Priority, ...] = Field(("normal", "low"), min_length=1)
    retentions: tuple[Retention, ...] = Field(RETENTIONS, min_length=1)


DEFAULT_POLICY = TenantPolicy(priorities=PRIORITIES)
"""Of whoever is not in the file."""


class TermsFile(StrictModel):
    tenants: dict[TenantName, Annotated[TenantPolicy, BeforeValidator(lambda terms: {} if terms is None else terms)]]


def read(path: Path) -> dict[str, TenantPolicy]:
    """The terms of each tenant; raises TermsError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TermsError(
            f"HUA_TENANTS={path} cannot be read ({error}); name a file as docs/tenants.md shows"
        ) from error
    try:
        return parsed(text)
    except TermsError as error:
        raise TermsError(f"{path}{error}") from error


def parsed(text: str) -> dict[str, TenantPolicy]:
    """Raises TermsError whose message begins with the line, ready to follow the file's name."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TermsError(f" is not valid YAML: {' '.join(str(error).split())}") from error
    try:
        return dict(TermsFile.model_validate(content).tenants)
    except ValidationError as error:
        # first what is misspelt, for that is why something else is missing
        first = min(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
        place = [part for part in first["loc"] if part != "[key]"]
        named = ".".join(map(str, place))
        raise TermsError(f", line {_line(text, place)}: {_sentence(first, named)}") from error


def _sentence(error: Mapping[str, Any], named: str) -> str:
    if error["type"] != "extra_forbidden":
        message: str = error["msg"].removeprefix("Value error, ")
        return f"{named or 'the file'}: {message[0].lower()}{message[1:]}"
    kinds: dict[int, type[BaseModel]] = {1: TermsFile, 3: TenantPolicy, 4: Rate}
    known = list(kinds.get(len(error["loc"]), ApiKey).model_fields)
    hint = did_you_mean(str(error["loc"][-1]), known) or f"there are {', '.join(known)}"
    return f"{named} is unknown; {hint}"


def _line(text: str, place: Sequence[object]) -> int:
    """The line, from 1, where the innermost part of `place` that is in the file stands."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = 1
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line
