"""All models that the API shows: those of the catalog, and then files and entries that are no usable models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from models.catalog.catalog import UnknownModelError
from models.catalog.entry import ModelEntry
from models.catalog.file_hashes import AUTO_V2, AUTO_V3
from models.catalog.names import title_of
from models.kinds import CHECKPOINT_FAMILIES, FAMILIES
from server.api.models.broken import broken_models
from server.api.models.openai_names import find_model
from server.api.models.previews import find_preview
from server.api.models.reply import ModelReply
from server.queue import WorkerView
from server.services import Services, public_url


@dataclass(frozen=True, slots=True)
class ListedModel:
    name: str
    entry: ModelEntry | None
    """None: nothing is known but the name."""
    problem: str = ""

    def is_like(self, kind: str | None, family: str | None, base: str | None) -> bool:
        """Whether it has this kind, this family, and is for this family of checkpoints; None: any."""
        known_kind = FAMILIES[self.entry.family].kind.title if self.entry else ""
        return (
            (kind is None or known_kind.casefold() == kind.casefold())
            and (family is None or (self.entry is not None and self.entry.family == family))
            and (base is None or (self.entry is not None and self.entry.base == base))
        )


class ModelListing:
    """The models as they are at one moment."""

    def __init__(self, services: Services, workers: Sequence[WorkerView] = ()) -> None:
        self._catalog = services.catalog
        self._folders = tuple(folder.resolve() for folder in services.settings.models_paths)
        self._address = f"{public_url(services.settings)}/v1/models"
        self._workers = workers

    def __iter__(self) -> Iterator[ListedModel]:
        broken = broken_models(self._catalog, self._workers)
        for entry in self._catalog.entries:
            yield ListedModel(entry.name, entry, broken.pop(entry.name, ""))
        for name, problem in broken.items():
            yield ListedModel(name, None, problem)

    def find(self, name: str) -> ListedModel:
        """The model of this name or another spelling of it, or that a name of OpenAI's stands for.

        Raises UnknownModelError.
        """
        try:
            own_name = find_model(self._catalog, name).name
        except UnknownModelError:
            own_name = name
            if not any(model.name == name for model in self):
                raise
        return next(model for model in self if model.name == own_name)

    def preview(self, model: ListedModel) -> Path | None:
        return find_preview(model.entry.path, self._folders) if model.entry else None

    def reply(self, model: ListedModel) -> ModelReply:
        entry = model.entry
        if entry is None:
            return ModelReply(id=model.name, name=model.name, problem=model.problem)
        known = self._catalog.hash_of(entry)
        return ModelReply(
            id=entry.name,
            created=_changed_at(entry.path, entry.stamp),
            name=entry.name,
            title=entry.title or (title_of(entry, known.sha256) if known else ""),
            kind=FAMILIES[entry.family].kind.title,
            family=entry.family,
            aliases=list(entry.aliases),
            base=entry.base,
            hint=entry.hint,
            trigger_words=list(entry.trigger_words),
            reads=list(entry.reads) if entry.family in CHECKPOINT_FAMILIES else None,
            side=entry.side,
            default=self._catalog.is_default(entry),
            bytes=entry.bytes,
            licence=entry.licence,
            hash=known and known.sha256[:AUTO_V2],
            sha256=known and known.sha256,
            tensor_hash=(known and known.tensors[:AUTO_V3]) or None,
            preview=f"{self._address}/{quote(entry.name, safe='')}/preview" if self.preview(model) else None,
            resident_on=[worker.name for worker in self._workers if entry.name in worker.resident],
            problem=model.problem,
        )


@lru_cache(maxsize=4096)
def _changed_at(path: Path, stamp: str) -> int:
    """Unix seconds; 0 if the file is away. Looked up once for a `ModelEntry.stamp`, because the list may have thousands
    of models."""
    try:
        return int(path.stat().st_mtime)
    except OSError:
        return 0
