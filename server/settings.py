"""The only reader of the environment: every setting is a `HUA_*` variable, and this file is the table of them."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import ByteSize, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from models.pydantic_errors import message_of
from models.suggestions import did_you_mean
from server.egress.allowlist import EgressAllowlist
from server.task import Retention

PREFIX = "HUA_"
TESTS_PREFIX = "HUA_TEST_"
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d+)?|https?://\[[0-9a-f:]+\](:\d+)?")
_LOGIN = re.compile(r"//[^@/?]*@")
Listed = Annotated[tuple[str, ...], NoDecode]


class SettingsError(Exception):
    """A setting is wrong; the message is one line that names it."""


class Settings(BaseSettings):
    """Where Hua listens, keeps its data and may reach. Lists are comma-separated, sizes read `8GiB`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    host: str = Field(
        "127.0.0.1", description="Address to listen on; not loopback only with keys or HUA_ALLOW_ANONYMOUS."
    )
    port: int = Field(8000, ge=1, le=65535, description="Port to listen on.")
    public_url: str = Field(
        "", description="How clients reach this server, for result links; default http://HOST:PORT."
    )
    data_dir: Path = Field(Path(".data"), description="Logs, images and keys of a single machine live here.")
    models_dir: Path | None = Field(None, description="Folder with models.yaml; default HUA_DATA_DIR/models.")
    broker_user: str = Field("", description="User for Kafka, if HUA_BROKER names none.")
    broker_password: str = Field("", description="Password of HUA_BROKER_USER as it is, nothing escaped.")
    broker: str = Field(
        "sqlite://",
        description="Durable logs: sqlite:// (in HUA_DATA_DIR), or kafka://[USER:PASSWORD@]HOST:PORT,…/PREFIX?…, "
        "kafkas://… for TLS; docs/roles.md lists the options.",
    )
    queue_user: str = Field("", description="User for Redis, if it has any and HUA_QUEUE names none.")
    queue_password: str = Field("", description="Password for Redis as it is, nothing escaped.")
    queue: str = Field(
        "memory://",
        description="Live queue: memory:// (one process), or redis://[USER:PASSWORD@]HOST:PORT/DB, rediss://… for TLS, "
        "redis+sentinel://HOST:PORT,…/SERVICE/DB, redis+cluster://HOST:PORT,….",
    )
    bucket: str = Field(
        "file://",
        description="Images and manifests: file:// (in HUA_DATA_DIR), or s3://BUCKET/PREFIX; see storage.md.",
    )
    s3_endpoint: str = Field("", description="Where S3 is, as http(s)://HOST:PORT; default AWS, by HUA_S3_REGION.")
    s3_public_endpoint: str = Field(
        "", description="Where clients reach S3; if set, result links redirect there, else images are passed on."
    )
    s3_region: str = Field("us-east-1", description="Region of the bucket; stores other than AWS rarely care.")
    s3_addressing: Literal["auto", "path", "virtual"] = Field(
        "auto", description="path: HOST/BUCKET; virtual: BUCKET.HOST; auto: virtual for AWS, path with an endpoint."
    )
    s3_access_key: str = Field(
        "", description="Access key; default the AWS_* variables, or the role of the pod or the machine."
    )
    s3_secret_key: str = Field("", description="Secret key that goes with HUA_S3_ACCESS_KEY.")
    s3_session_token: str = Field("", description="Session token, where the keys are temporary.")
    s3_credentials_dir: Path | None = Field(
        None, description="Folder with files access_key, secret_key, session_token instead, read every five minutes."
    )
    s3_ca: Path | None = Field(None, description="PEM file of an authority to trust besides those of the system.")
    s3_verify_tls: bool = Field(True, description="Whether the certificate of S3 must be right; false is for trials.")
    s3_bulk_delete: bool = Field(True, description="Delete up to 1000 objects a request; false for stores that cannot.")
    s3_timeout_s: float = Field(
        20.0, gt=0, description="Seconds that one request to S3 may take; an image must go up in that time."
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu or cuda:N.")
    device_memory: ByteSize | None = Field(
        None, description="Bytes of models to keep on the device; default 70 % of it."
    )
    host_memory: ByteSize = Field(ByteSize(8 << 30), description="Bytes of evicted models to keep in host memory.")
    warm_up: bool = Field(True, description="Load the default model and time its steps before taking tasks.")
    compile: Path | None = Field(
        None,
        description="Folder of compiled forward passes, which workers fill and share; empty: nothing is compiled. "
        "docs/tuning.md.",
    )
    audit: str = Field(
        "", description="Model of family safety that judges what is drawn before it is handed out; empty: no audit."
    )
    audit_all: bool = Field(
        False, description="Audit img2img.sr too, and control tasks and workflows that do not ask by use_audit."
    )
    retention: Retention = Field("24h", description="How long images live unless the task says: 5m, 24h, 7d, 30d.")
    task_limit: int = Field(64, ge=1, description="Unfinished tasks that one tenant may have.")
    max_pixels: int = Field(2048 * 2048, ge=64 * 64, description="Largest image that a task may ask for, in pixels.")
    max_upload: ByteSize = Field(ByteSize(20 << 20), description="Largest image file or request body, in bytes.")
    egress_allow: Listed = Field(
        (), description="CIDRs and host suffixes that image URLs and callbacks may reach besides public addresses."
    )
    egress_proxy: str = Field(
        "", description="Proxy through which all that HUA_EGRESS_ALLOW does not list is reached, as http://HOST:PORT."
    )
    allow_anonymous: bool = Field(False, description="Serve without API keys on addresses other than loopback.")
    api_keys: Listed = Field((), description="tenant:sha256 pairs, as `hua keys new TENANT` prints them.")
    tenants: Path | None = Field(None, description="YAML file of tenants: keys, scopes, limits; docs/tenants.md.")
    cors: Listed = Field((), description="Origins whose pages may use the API with a key, such as https://app.example.")
    secret: str = Field("", description="Signs result links and callbacks; default: made once in HUA_DATA_DIR/secret.")
    drain_s: float = Field(30.0, ge=0, description="Seconds that running tasks get to finish after Ctrl-C or SIGTERM.")
    spool: ByteSize = Field(
        ByteSize(256 << 20),
        description="Bytes of images that a worker keeps in HUA_DATA_DIR while bucket or log is away; 0: none.",
    )
    metrics_port: int = Field(
        9090,
        ge=0,
        le=65535,
        description="Port of a controller's or a worker's /metrics, /healthz, /readyz, or the next free one; 0: none.",
    )
    metrics_host: str = Field("", description="Address that HUA_METRICS_PORT is on; default HUA_HOST.")
    log_format: Literal["text", "json"] = Field("text", description="Log lines for people or for machines.")
    traces: str = Field(
        "", description="Collector of OpenTelemetry (OTLP over HTTP), as http://HOST:4318; needs hua[traces]."
    )
    log_prompts: bool = Field(False, description="Log the parameters of each task, and what its user wrote with them.")

    @field_validator("broker", "queue")
    @classmethod
    def _log_in(cls, value: str, info: ValidationInfo) -> str:
        """The address with its login, which may be told apart from it, as secrets are mounted."""
        user, password = (info.data.get(f"{info.field_name}_{part}", "") for part in ("user", "password"))
        if not (user or password):
            return value
        scheme, _, rest = value.partition("://")
        if not rest:
            raise ValueError("it has nobody to log in to; leave out its user and password")
        if "@" in re.split(r"[/?]", rest, maxsplit=1)[0]:
            raise ValueError("the address has a user or a password already; give them there or apart, not both")
        return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"

    @field_validator("egress_allow", "api_keys", "cors", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("egress_allow")
    @classmethod
    def _read_rules(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        EgressAllowlist(value)
        return value

    @field_validator("traces")
    @classmethod
    def _check_collector(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError(f"{value!r} is no collector; write http://HOST:4318, without a path")
        return value

    @field_validator("egress_proxy")
    @classmethod
    def _check_proxy(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://([^@/]+@)?[^@/]+/?", value):
            raise ValueError("it is no proxy; write http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT")
        return value

    @field_validator("cors")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin; write https://HOST or https://HOST:PORT, nothing behind it")
        return value

    @model_validator(mode="after")
    def _guard_anonymous_use(self) -> Settings:
        if not (self.loopback or self.api_keys or self.tenants or self.allow_anonymous):
            raise ValueError(
                f"HUA_HOST={self.host} is not loopback and there are no API keys: set HUA_TENANTS or HUA_API_KEYS "
                "(make one with `hua keys new TENANT`), "
                "or HUA_ALLOW_ANONYMOUS=true if everyone who can connect may use it"
            )
        return self

    @property
    def loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def models_path(self) -> Path:
        return self.models_dir or self.data_dir / "models"

    @cached_property
    def secret_bytes(self) -> bytes:
        """HUA_SECRET, or one that is made at first use and kept beside the data."""
        if self.secret:
            return self.secret.encode()
        path = self.data_dir / "secret"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(f".{os.getpid()}")
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_hex(32))
            with contextlib.suppress(FileExistsError):  # roles that start together agree on the first one
                path.hardlink_to(draft)
            draft.unlink()
        return path.read_text().strip().encode()

    @classmethod
    def load(cls, **overrides: Any) -> Settings:
        """Settings from the environment; raises SettingsError with one line that names what is wrong."""
        known = {PREFIX + name.upper() for name in cls.model_fields}
        for name in os.environ:
            if name.startswith(PREFIX) and not name.startswith(TESTS_PREFIX) and name.upper() not in known:
                hint = did_you_mean(name, known) or f"there are {', '.join(sorted(known))}"
                raise SettingsError(f"{name} is not a setting; {hint}")
        try:
            return cls(**overrides)
        except ValidationError as error:
            raise SettingsError(cls._complaint(error)) from error

    @classmethod
    def _complaint(cls, error: ValidationError) -> str:
        first = error.errors(include_url=False)[0]
        message = message_of(first)
        if not first["loc"]:
            return message
        name = str(first["loc"][0]).lower()
        where = f"{PREFIX}{name.upper()}"
        meaning = cls.model_fields[name].description
        said = _LOGIN.sub("//…@", f"{first['input']!r}")
        return f"{where} is {said}: {message.removeprefix(where + ': ')}. It means: {meaning}"

    @classmethod
    def table(cls) -> str:
        """Every setting, its default and its meaning, as a Markdown table."""
        rows = [
            f"| `{PREFIX}{name.upper()}` | {_shown(field.default)} | {field.description} |"
            for name, field in cls.model_fields.items()
        ]
        return "\n".join(["| Setting | Default | Meaning |", "|---|---|---|", *rows])


def _shown(default: Any) -> str:
    match default:
        case None | "" | ():
            return ""
        case bool():
            return f"`{str(default).lower()}`"
        case ByteSize():
            return f"`{default.human_readable(separator=' ')}`"
        case _:
            return f"`{default}`"
