"""The only place that picks implementations: from settings to the broker, queue, bucket and doors that roles share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from obstore.exceptions import BaseError

from models.catalog.catalog import Catalog, MisfitError, UnknownModelError
from models.catalog.file_hashes import FILE as HASHES
from models.catalog.file_hashes import FileHashes
from models.catalog.live_catalog import LiveCatalog
from server.audit.moderation import Moderation
from server.audit.text_audit import TextAudit
from server.audit.word_lists import word_list_files
from server.broker import Broker, BrokerUnavailableError
from server.broker.history import first_outcome
from server.egress.client import Egress
from server.llm import LLM
from server.prompts.gloss import Gloss
from server.prompts.translator import Translator
from server.prompts.wildcards import Wildcards
from server.queue import Queue
from server.queue.clock import Clock
from server.settings import Settings, SettingsError
from server.storage.bucket import Bucket, FindOutcome, find_no_outcome
from server.storage.signed_links import Links
from server.tenancy.tenants import Tenants
from server.tenancy.uploads import Uploads
from server.tools.tools import Tools


@dataclass(frozen=True, slots=True)
class Services:
    """What a role is handed. Built once in `__main__`, or by a test."""

    settings: Settings
    broker: Broker
    queue: Queue
    clock: Clock
    bucket: Bucket
    live_catalog: LiveCatalog
    egress: Egress
    links: Links
    tenants: Tenants
    uploads: Uploads
    wildcards: Wildcards | None
    tools: Tools
    translator: Translator
    llm: LLM
    moderation: Moderation | None
    text_audit: TextAudit

    @classmethod
    def from_settings(cls, settings: Settings, *, with_models: bool = True) -> Services:
        """Opens everything; raises SettingsError for an address that no implementation answers to.

        `with_models`: the controller needs no models, and its machine need not have their folder.
        """
        hashes = FileHashes(settings.data_dir / HASHES)
        models = LiveCatalog.of(settings.models_paths, hashes) if with_models else LiveCatalog(lambda: Catalog(()))
        if with_models:
            check_audit(settings, models.current)
            if settings.words is not None:
                word_list_files(settings.words)
        queue, moderation = _queue(settings), Moderation.from_settings(settings)
        clock, llm = Clock(queue), LLM(settings)
        broker = _broker(settings)
        bucket, tenants = bucket_of(settings, partial(first_outcome, broker)), Tenants(settings, clock)
        return cls(
            settings=settings,
            broker=broker,
            queue=queue,
            clock=clock,
            bucket=bucket,
            live_catalog=models,
            egress=Egress(allow=settings.egress_allow, proxy=settings.egress_proxy),
            links=Links(settings.secret_bytes, public_url(settings), clock),
            tenants=tenants,
            uploads=Uploads(bucket, tenants, settings),
            translator=Translator(settings, models, llm, Gloss.load),
            llm=llm,
            wildcards=Wildcards(settings.wildcards_dir) if settings.wildcards_dir else None,
            tools=Tools(settings.tools_dir),
            moderation=moderation,
            text_audit=TextAudit(settings, moderation),
        )

    @property
    def catalog(self) -> Catalog:
        """The models as they are now. Take it once where several look-ups must agree."""
        return self.live_catalog.current

    async def close(self) -> None:
        await self.translator.close()
        await self.queue.close()
        await self.broker.close()


def check_audit(settings: Settings, models: Catalog) -> None:
    """Raises SettingsError if HUA_AUDIT names a model that cannot judge: nothing could be handed out."""
    try:
        for name in settings.audit:
            models.refuse_unless(models.find(name), {"safety"})
    except (UnknownModelError, MisfitError) as error:
        raise SettingsError(f"HUA_AUDIT={','.join(settings.audit)}: {error}") from error


def public_url(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return (settings.public_url or f"http://{host}:{settings.port}").rstrip("/")


def _broker(settings: Settings) -> Broker:
    if settings.broker == "sqlite://":
        from server.broker.sqlite.broker import SQLiteBroker

        try:
            return SQLiteBroker(settings.data_dir / "logs.sqlite")
        except BrokerUnavailableError as error:
            raise SettingsError(str(error)) from error
    if settings.broker.startswith(("kafka://", "kafkas://")):
        from server.broker.kafka.broker import KafkaBroker

        return KafkaBroker(settings.broker)
    raise SettingsError(f"HUA_BROKER={settings.broker} is not known; use sqlite://, kafka://… or kafkas://…")


def _queue(settings: Settings) -> Queue:
    if settings.queue == "memory://":
        from server.queue.memory.queue import MemoryQueue

        return MemoryQueue()
    if re.match(r"rediss?(\+sentinel|\+cluster)?://", settings.queue):
        from server.queue.redis.queue import RedisQueue

        return RedisQueue(settings.queue)
    raise SettingsError(
        f"HUA_QUEUE={settings.queue} is not known; use memory://, redis[s]://…, redis[s]+sentinel://… or "
        "redis[s]+cluster://…"
    )


def bucket_of(settings: Settings, find_outcome: FindOutcome = find_no_outcome) -> Bucket:
    """`find_outcome` reads a task's first outcome from the log; without it, damaged manifests are not rebuilt."""
    if settings.bucket == "file://":
        folder = settings.data_dir / "bucket"
        try:
            return Bucket.folder(folder, find_outcome)
        except (BaseError, OSError) as error:
            raise SettingsError(
                f"the images cannot be stored in {folder} ({error}); move away what has this name, or set HUA_DATA_DIR"
            ) from error
    if settings.bucket.startswith("s3://"):
        from server.storage.s3 import open_bucket

        return open_bucket(settings, find_outcome)
    raise SettingsError(f"HUA_BUCKET={settings.bucket} is not known; use file:// or s3://BUCKET/PREFIX")
