"""The only reader of the environment. Every setting is a `HUA_*` variable, and this file is the table of them."""

from __future__ import annotations

import os
import re
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import ByteSize, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.pydantic_errors import message_of
from models.suggestions import did_you_mean
from server.settings.secret_file import SecretFileError, read_secret
from server.settings.types import (
    CollectorAddress,
    EgressRules,
    HTTPAddress,
    Listed,
    ModeratedKinds,
    Origins,
    ProxyAddress,
    WaitingDialects,
)
from server.task import Retention, TextAction

PREFIX = "HUA_"
TESTS_PREFIX = "HUA_TEST_"
_LOGIN = re.compile(r"//[^@/?]*@")


class SettingsError(Exception):
    """A setting is wrong. The message is one line that names it."""


class Settings(BaseSettings):
    """Lists are separated by commas. Sizes are bytes, or written like `8GiB`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    host: str = Field(
        "127.0.0.1",
        description="Address to listen on; others than loopback need API keys or HUA_ALLOW_ANONYMOUS.",
    )
    port: int = Field(8000, ge=1, le=65535, description="Port to listen on.")
    connections: int = Field(
        1000,
        ge=16,
        le=65_536,
        description="Most connections of clients at a time. Above it a new one replaces one that waits for its client.",
    )
    public_url: HTTPAddress = Field(
        "", description="Address of this server for clients, used in result links; default http://HOST:PORT."
    )
    data_dir: Path = Field(Path(".data"), description="Folder of a single machine for logs, images and the secret.")
    models_dir: Path | None = Field(
        None, description="Folder of models, or several with `:` between; default HUA_DATA_DIR/models."
    )
    models_refresh: float = Field(
        2.0,
        ge=0,
        description="Seconds from one look at HUA_MODELS_DIR to the next, by every role; 0: only at SIGHUP and "
        "POST /v1/models/refresh.",
    )
    wildcards_dir: Path | None = Field(
        None,
        description="Folder of text files whose lines prompts may name: `__animals__` is a line of animals.txt, drawn "
        "by the seed.",
    )
    tools_dir: Path | None = Field(
        None, description="Folder of the operator's tools: YAML files, each a form and the workflow that it fills in."
    )
    model_hashes: bool = Field(
        True,
        description="Compute the SHA-256 of each model file once, in the background of the api. Tasks may name models "
        "by it. False: only those that SHA256SUMS lists are known.",
    )
    broker_user: str = Field("", description="User for Kafka, if HUA_BROKER names none.")
    broker_password: str = Field("", description="Password of HUA_BROKER_USER, not URL-encoded.")
    broker: str = Field(
        "sqlite://",
        description="Durable logs: sqlite:// (in HUA_DATA_DIR), or kafka://[USER:PASSWORD@]HOST:PORT,…/PREFIX?…, "
        "kafkas://… for TLS; docs/roles.md lists the options.",
    )
    queue_user: str = Field("", description="User for Redis, if it has users and HUA_QUEUE names none.")
    queue_password: str = Field("", description="Password for Redis, not URL-encoded.")
    queue: str = Field(
        "memory://",
        description="Live queue: memory:// (one process), or redis://[USER:PASSWORD@]HOST:PORT/DB, rediss://… for TLS, "
        "redis+sentinel://HOST:PORT,…/SERVICE/DB, redis+cluster://HOST:PORT,….",
    )
    bucket: str = Field(
        "file://",
        description="Images and manifests: file:// (in HUA_DATA_DIR), or s3://BUCKET/PREFIX; see storage.md.",
    )
    s3_endpoint: HTTPAddress = Field(
        "", description="Address of S3, as http(s)://HOST:PORT; default AWS, by HUA_S3_REGION."
    )
    s3_public_endpoint: HTTPAddress = Field(
        "", description="Address of S3 for clients. If set, result links redirect there; else Hua serves the images."
    )
    s3_region: str = Field("us-east-1", description="Region of the bucket; most servers other than AWS ignore it.")
    s3_addressing: Literal["auto", "path", "virtual"] = Field(
        "auto", description="path: HOST/BUCKET; virtual: BUCKET.HOST; auto: virtual for AWS, path with an endpoint."
    )
    s3_access_key: str = Field(
        "", description="Access key; default the AWS_* variables, or the role of the pod or machine."
    )
    s3_secret_key: str = Field("", description="Secret key of HUA_S3_ACCESS_KEY.")
    s3_session_token: str = Field("", description="Session token, for temporary keys.")
    s3_credentials_dir: Path | None = Field(
        None, description="Folder with the files access_key, secret_key and session_token, read every five minutes."
    )
    s3_ca: Path | None = Field(None, description="PEM file of a certificate authority to trust besides the system's.")
    s3_verify_tls: bool = Field(True, description="Verify the certificate of S3; use false for trials only.")
    s3_bulk_delete: bool = Field(True, description="Delete 1000 objects per request; false for servers that cannot.")
    s3_timeout_s: float = Field(
        20.0, gt=0, description="Timeout of one request to S3, in seconds; an image must be uploaded in that time."
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu or cuda:N.")
    devices: str = Field(
        "all",
        pattern=r"^(all|cpu|cuda:\d+(,cuda:\d+)*)$",
        description="Devices of `hua serve`: all CUDA devices (of HUA_DEVICE, if that is not auto), or a list such as "
        "cuda:0,cuda:2. Each gets a worker.",
    )
    worker_group: str = Field(
        "",
        max_length=64,
        description="Name of the workers that are scaled together with this one, such as a pool of the Helm chart; "
        "hua_group_queued_gpu_seconds shows the work that each group can do.",
    )
    device_memory: ByteSize | None = Field(
        None, description="Bytes of models to keep on the device; default 70 % of it."
    )
    host_memory: ByteSize = Field(
        ByteSize(8 << 30), description="Bytes of evicted models to keep in host memory, for each device."
    )
    warm_up: bool = Field(
        True,
        description="Load the default model and measure its steps before leasing tasks; steps that take longer than "
        "two seconds, as those of a full-size model on a CPU, are not measured.",
    )
    step_timeout: float = Field(
        300.0,
        gt=0,
        description="Seconds that one denoising step, or one part of a recipe, may take. A device process that reports "
        "nothing for longer hangs: it is ended and started again, and its tasks are tried again.",
    )
    load_timeout: float = Field(
        1800.0,
        gt=0,
        description="Seconds that loading one model may take, and a device process until its first report.",
    )
    compile: Path | None = Field(
        None,
        description="Folder of compiled forward passes, filled and shared by workers; empty: nothing is compiled. See "
        "docs/tuning.md.",
    )
    audit: Listed = Field(
        (),
        description="Models of family safety that check images before they are returned, with commas between: an image "
        "to which one objects is withheld. Empty: no audit.",
    )
    audit_all: bool = Field(
        False, description="Also audit img2img.sr, and control tasks and workflows without use_audit."
    )
    translator: str = Field(
        "auto",
        description="What makes English of Chinese prompts: auto (the first model of family translator, else gloss), "
        "gloss (a dictionary), llm (HUA_LLM_URL), the name of a model of family translator, or off; docs/prompts.md.",
    )
    llm_url: HTTPAddress = Field(
        "", description="OpenAI-compatible endpoint of a language model, as http://HOST:PORT/v1; empty: none."
    )
    llm_key: str = Field("", description="API key of HUA_LLM_URL.")
    llm_model: str = Field("", description="Name of the model at HUA_LLM_URL.")
    llm_timeout_s: float = Field(
        20.0, ge=1, le=120, description="Seconds that one answer of the language model may take."
    )
    llm_concurrency: int = Field(8, ge=1, le=1024, description="Requests to the language model at a time.")
    text_audit: TextAction = Field(
        "off",
        description="What happens to words of HUA_WORDS in prompts and in texts that models write, for tenants whose "
        "terms say nothing: off, report, mask, refuse; docs/audit.md.",
    )
    words: Path | None = Field(
        None,
        description="Folder of word lists (.txt), read again when they change; default: a short list of Hua's own.",
    )
    moderation_url: HTTPAddress = Field(
        "", description="Service that judges texts and images, as http(s)://HOST/PATH; docs/audit.md. Empty: none."
    )
    moderation_key: str = Field(
        "", description="Key of the moderation service: signs requests to a webhook, or is sent as a bearer token."
    )
    moderation_kind: Literal["webhook", "openai"] = Field(
        "webhook", description="How the moderation service is called: a webhook of your own, or OpenAI's moderations."
    )
    moderation_model: str = Field("omni-moderation-latest", description="Model of a moderation service like OpenAI's.")
    moderation_of: ModeratedKinds = Field(
        ("text", "images"), description="What the moderation service judges: text, images."
    )
    moderation_timeout_s: float = Field(
        3.0, ge=1, le=30, description="Seconds that the moderation service may take for one text or image."
    )
    moderation_open: bool = Field(
        False,
        description="Accept and return what the moderation service does not judge in time, instead of refusing it.",
    )
    retention: Retention = Field("24h", description="How long images are kept by default: 5m, 24h, 7d, 30d.")
    task_limit: int = Field(64, ge=1, description="Limit of unfinished tasks per tenant.")
    missing_models: Literal["wait", "refuse"] = Field(
        "wait",
        description="What happens to a task of a model that the api knows and no live worker has: it waits for such a "
        "worker, or is refused with status 503.",
    )
    max_pixels: int = Field(2048 * 2048, ge=64 * 64, description="Largest image that a task may request, in pixels.")
    max_upload: ByteSize = Field(ByteSize(20 << 20), description="Largest image file or request body, in bytes.")
    cancel_on_hang_up: WaitingDialects = Field(
        ("a1111",),
        description="Dialects whose tasks are canceled if a client hangs up while it waits for their images: a1111, "
        "ideogram, nextgpu, openai.",
    )
    upload_count: int = Field(
        100_000,
        ge=1,
        description="Image files that each tenant may have stored: uploads and input images of tasks, kept for a day.",
    )
    upload_bytes: ByteSize = Field(
        ByteSize(20 << 30), ge=1, description="Bytes that the files of HUA_UPLOAD_COUNT may have in all."
    )
    keep_bytes: ByteSize = Field(
        ByteSize(10 << 30),
        ge=0,
        description="Bytes of images that each tenant may keep without end (retention keep); 0: none.",
    )
    egress_allow: EgressRules = Field(
        (), description="CIDRs and host suffixes that image URLs and callbacks may reach, besides public addresses."
    )
    egress_proxy: ProxyAddress = Field(
        "", description="Proxy for all hosts that HUA_EGRESS_ALLOW does not list, as http://HOST:PORT."
    )
    allow_anonymous: bool = Field(False, description="Serve without API keys on addresses other than loopback.")
    api_keys: Listed = Field((), description="tenant:sha256 pairs, as `hua keys new TENANT` prints them.")
    tenants: Path | None = Field(None, description="YAML file of tenants: keys, scopes, limits; docs/tenants.md.")
    cors: Origins = Field(
        (), description="Origins whose pages may use the API with a key, such as https://app.example."
    )
    secret: str = Field("", description="Signs links and callbacks; default: created once in HUA_DATA_DIR/secret.")
    drain_s: float = Field(30.0, ge=0, description="Seconds that running tasks have to finish after Ctrl-C or SIGTERM.")
    spool: ByteSize = Field(
        ByteSize(256 << 20),
        description="Bytes of images that a worker keeps in HUA_DATA_DIR while bucket or log is down; 0: none.",
    )
    metrics_port: int = Field(
        9090,
        ge=0,
        le=65535,
        description="Port of its own for /metrics, /healthz and /readyz of each role, or the next free one; 0: none.",
    )
    metrics_host: str = Field("", description="Address for HUA_METRICS_PORT; default HUA_HOST.")
    log_format: Literal["text", "json"] = Field("text", description="Log lines for people or for machines.")
    traces: CollectorAddress = Field(
        "", description="OpenTelemetry collector (OTLP over HTTP), as http://HOST:4318; needs hua[traces]."
    )
    log_prompts: bool = Field(False, description="Log the parameters of each task, including prompts.")

    @field_validator("broker", "queue")
    @classmethod
    def _log_in(cls, value: str, info: ValidationInfo) -> str:
        """Adds the login, which may be set apart from the address, because secrets are mounted so."""
        user, password = (info.data.get(f"{info.field_name}_{part}", "") for part in ("user", "password"))
        if not (user or password):
            return value
        scheme, _, rest = value.partition("://")
        if not rest:
            raise ValueError("this address takes no login; remove the user and the password")
        if "@" in re.split(r"[/?]", rest, maxsplit=1)[0]:
            raise ValueError("the address already has a user or a password; set them there or apart, not both")
        return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"

    @model_validator(mode="after")
    def _guard_anonymous_use(self) -> Settings:
        if not (self.loopback or self.api_keys or self.tenants or self.allow_anonymous):
            raise ValueError(
                f"HUA_HOST={self.host} is not loopback and there are no API keys: set HUA_TENANTS or HUA_API_KEYS "
                "(create one with `hua keys new TENANT`), "
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
        """The first folder of models."""
        return self.models_paths[0]

    @property
    def models_paths(self) -> tuple[Path, ...]:
        if self.models_dir is None:
            return (self.data_dir / "models",)
        return tuple(map(Path, str(self.models_dir).split(os.pathsep)))

    @cached_property
    def secret_bytes(self) -> bytes:
        """HUA_SECRET, or a secret that is created at first use and kept in the data folder."""
        if self.secret:
            return self.secret.encode()
        try:
            return read_secret(self.data_dir / "secret")
        except SecretFileError as error:
            raise SettingsError(str(error)) from error

    @classmethod
    def load(cls, **overrides: Any) -> Settings:
        """Reads the environment. Raises SettingsError with one line that names what is wrong."""
        known = {PREFIX + name.upper() for name in cls.model_fields}
        for name in os.environ:
            if name.startswith(PREFIX) and not name.startswith(TESTS_PREFIX) and name.upper() not in known:
                hint = did_you_mean(name, known) or f"there are {', '.join(sorted(known))}"
                raise SettingsError(f"{name} is not a setting; {hint}")
        try:
            return cls(**overrides)
        except ValidationError as error:
            raise SettingsError(cls._error_line(error)) from error

    @classmethod
    def _error_line(cls, error: ValidationError) -> str:
        first = error.errors(include_url=False)[0]
        message = message_of(first)
        if not first["loc"]:
            return message
        name = str(first["loc"][0]).lower()
        variable = f"{PREFIX}{name.upper()}"
        meaning = cls.model_fields[name].description
        value = _LOGIN.sub("//…@", f"{first['input']!r}")
        return f"{variable} is {value}: {message.removeprefix(variable + ': ')}. Meaning: {meaning}"

    @classmethod
    def table(cls) -> str:
        """Every setting, its default and its meaning, as a Markdown table."""
        rows = [
            f"| `{PREFIX}{name.upper()}` | {_format_default(field.default)} | {field.description} |"
            for name, field in cls.model_fields.items()
        ]
        return "\n".join(["| Setting | Default | Meaning |", "|---|---|---|", *rows])


def _format_default(default: Any) -> str:
    match default:
        case None | "" | ():
            return ""
        case bool():
            return f"`{str(default).lower()}`"
        case tuple():
            return f"`{','.join(default)}`"
        case ByteSize():
            return f"`{default.human_readable(separator=' ')}`"
        case _:
            return f"`{default}`"
