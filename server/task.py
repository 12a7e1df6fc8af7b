"""Task, Outcome and Manifest: the plain data that every role reads and writes."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Status(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        return self in {Status.SUCCEEDED, Status.FAILED, Status.CANCELED}


Priority = Literal["high", "normal", "low"]
Retention = Literal["5m", "24h", "7d", "30d"]
RETENTION_S: dict[str, int] = {"5m": 300, "24h": 86_400, "7d": 604_800, "30d": 2_592_000}
Keep = Literal["keep"]
KEEP: Keep = "keep"
AnyRetention = Literal["5m", "24h", "7d", "30d", "keep"]
"""`keep`: without end, within the tenant's `keep_bytes`."""
NEVER = 253_402_300_799.0
"""The end of what is kept, in unix seconds: the last second of the year 9999, the last that datetime knows."""
Format = Literal["png", "jpeg", "webp"]
Kind = Literal["image", "hint"]
KINDS: tuple[Kind, ...] = ("image", "hint")


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Output(Frozen):
    """The file format of a task's images."""

    format: Format = "png"
    quality: int = Field(default=95, ge=1, le=100, description="For jpeg and webp; webp at 100 is lossless.")
    metadata: bool = Field(default=True, description="Embed the parameters (A1111 infotext) in the file.")


class Callback(Frozen):
    """Where to POST the result, and in which format: "hua", or the name of a dialect in `server/api/dialects`."""

    url: str
    dialect: str = "hua"
    nonce: str = ""
    """What the caller wants to find in the callback, in dialects that have it there."""


TextAction = Literal["off", "report", "mask", "refuse"]
"""What happens to words that the audit finds: nothing is looked for; they are reported; they are taken out; the request
is refused."""
ImageAudit = Literal["default", "all", "off"]
"""Which tasks have their images audited: as the settings say, all, or none."""


class AuditTerms(Frozen):
    """How the words and images of a task are audited: the terms of its tenant when it was accepted."""

    text: TextAction = "off"
    """What happens to words of the word lists."""
    moderation: TextAction = "off"
    """What happens to texts to which the moderation service objects."""
    lists: tuple[str, ...] = ()
    """The word lists that count, by name; empty: all."""
    allow: tuple[str, ...] = ()
    """Words that do not count, whatever list has them."""
    images: ImageAudit = "default"

    @property
    def judges_texts(self) -> bool:
        return (self.text, self.moderation) != ("off", "off")


NO_AUDIT = AuditTerms()


class Task(Frozen):
    """A submitted task. `params` are validated, and contain the seed. `created_at` is unix time."""

    id: str
    type: str
    params: dict[str, Any]
    tenant: str
    created_at: float
    priority: Priority = "normal"
    retention: Retention = "24h"
    keep_bytes: int | None = None
    """Its images are kept without end, if the tenant has room for them in this many bytes when the task ends, and for
    `retention` otherwise. None: they are not to be kept."""
    output: Output = Output()
    callback: Callback | None = None
    dialect: str = "hua"
    """The wire format in which it was submitted: "hua", or the name of a dialect in `server/api/dialects`."""
    key: str = ""
    """The first digits of the hash of the API key that submitted it, in dialects whose callers see the tasks of their
    own key alone."""
    request_id: str = ""
    """What the client calls the request that it belongs to, in dialects where one request may be several tasks."""
    models: tuple[str, ...] = ()
    fetches: bool = False
    """Whether it has input images. A worker fetches them before the task gets a place at the device."""
    cost: float = 1.0
    most_pixels: int = 0
    """The image size that `cost` assumes, if the real size depends on an input that was not known yet; otherwise 0."""
    weight: float = 1.0
    """The tenant's share of the devices, relative to other tenants, when the task was accepted."""
    original_prompts: dict[str, str] = Field(default_factory=dict)
    """Prompts as they were sent, by dotted path, where `params` have other words for the model."""
    notes: tuple[str, ...] = ()
    """What a caller should know about the prompts, in sentences."""
    audit: AuditTerms = NO_AUDIT
    reasons: tuple[str, ...] = ()
    """Labels of what the audit found in its prompts, where the terms say that it only reports or masks it."""
    fingerprint: str = ""
    """Hash of the request as it was sent. It detects an Idempotency-Key that is used for two requests."""
    traceparent: str = ""
    """The W3C trace context of the submission, the parent of all spans of the task; empty without traces."""


class Image(Frozen):
    """One result image in the bucket. An image that the audit withholds has no file, and an empty key."""

    key: str
    width: int
    height: int
    bytes: int
    sha256: str
    format: Format = "png"
    seed: int | None = None
    kind: Kind = "image"
    """`hint` is a control map that the images follow."""
    reason: str = ""
    """Why the audit withholds the image; empty if it does not."""

    @property
    def safe(self) -> bool:
        return not self.reason


POISON = "poison"


class Failure(Frozen):
    """Why a task failed: `code` for programs (`out_of_memory`, `bad_input`, `poison`…), `message` for people."""

    code: str
    message: str


class Outcome(Frozen):
    """The result of one attempt at a task. The first outcome of a task in the log wins. Times are unix seconds."""

    task: Task
    attempt: str
    status: Status
    worker: str = ""
    images: tuple[Image, ...] = ()
    """Control maps come last."""
    answer: dict[str, Any] | None = None
    """The result of a task that returns data instead of images."""
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()
    """What of the task's models had no effect, in sentences for the user."""
    started_at: float | None = None
    finished_at: float
    timings: dict[str, float] = Field(default_factory=dict)
    """Seconds by stage: fetch, load, run, audit, moderation, encode, upload."""


class Place(Frozen):
    """Where the images of an ended task are, if that is not where its attempt has stored them."""

    retention: AnyRetention
    since: float
    """The unix time from which the retention counts."""
    keys: tuple[str, ...]
    """The keys of all images in the bucket, in their order; empty for those that are withheld."""


class Manifest(Frozen):
    """The durable record of a settled task. Status, callback and usage are functions of it alone."""

    outcome: Outcome
    expires_at: float
    """NEVER if the images are kept."""
    place: Place | None = None
    """Set once the images were moved to another retention."""
    notes: tuple[str, ...] = ()
    """What became of the images when the task was settled, in sentences for the user."""
    deleted_at: float | None = None
    """When the owner of the task had its images deleted, in unix seconds."""

    @property
    def task(self) -> Task:
        return self.outcome.task

    @property
    def retention(self) -> AnyRetention:
        return self.task.retention if self.place is None else self.place.retention

    @property
    def kept(self) -> bool:
        """Whether its images are kept without end. Deleted images are not kept."""
        return self.retention == KEEP and self.deleted_at is None

    @property
    def images(self) -> tuple[Image, ...]:
        """Those of the outcome, with the keys under which they are now."""
        if self.place is None:
            return self.outcome.images
        placed = zip(self.outcome.images, self.place.keys, strict=True)
        return tuple(image.model_copy(update={"key": key}) for image, key in placed)
