"""The catalog: the models of `models.yaml`, by name.

Torch-free: the API answers `GET /v1/models` from it and refuses unknown names.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import yaml

from models.catalog.entry import FILE, CatalogError, ModelEntry
from models.catalog.read_entry import read_entry
from models.kinds import CHECKPOINT_FAMILIES, families_of
from models.kinds.kind import AnyModelRef
from models.kinds.textual_inversion import TEXTUAL_INVERSION


class UnknownModelError(Exception):
    """No model has this name; the message lists those that exist, the most similar first."""


class MisfitError(Exception):
    """A model cannot do what the task needs, or does not fit the checkpoint of the task."""


class Catalog:
    """The models of a models folder. One of the checkpoints is the default, which an empty name means."""

    def __init__(self, entries: tuple[ModelEntry, ...]) -> None:
        self.entries = entries
        self.default = _default(entries)
        self._by_name: dict[str, ModelEntry] = {}
        for entry in entries:
            for name in (entry.name, *entry.aliases):
                if name in self._by_name:
                    raise CatalogError(f"two models are called {name!r} in {FILE}; use each name and alias once")
                self._by_name[name] = entry
        for entry in entries:
            if entry.inpainting is not None and entry.inpainting not in self._by_name:
                raise CatalogError(
                    f"{entry.name} has `inpainting: {entry.inpainting}`, but no model of {FILE} has this name; "
                    "list that model too, or leave the line out"
                )

    def __iter__(self) -> Iterator[ModelEntry]:
        return iter(self.entries)

    def find(self, model: AnyModelRef | str) -> ModelEntry:
        """The model of this name or alias ("" is the default), or the one that a reference means.

        Raises UnknownModelError.
        """
        if isinstance(model, str):
            return self._by_own_name(model)
        if not model.kind.named_by_callers:
            return self._by_kind(model)
        entry = self._by_own_name(model.name)
        return self._by_name[entry.inpainting] if model.inpainting and entry.inpainting else entry

    def embeddings(self, models: Iterable[AnyModelRef]) -> tuple[ModelEntry, ...]:
        """The embeddings that fit the checkpoint among these models; none if there is no checkpoint among them."""
        families = {entry.family for entry in map(self.find, models) if entry.family in CHECKPOINT_FAMILIES}
        fitting = (None, *families) if families else ()
        embeddings = families_of(TEXTUAL_INVERSION)
        return tuple(entry for entry in self.entries if entry.family in embeddings and entry.base in fitting)

    def refuse_unless(self, entry: ModelEntry, families: Collection[str]) -> None:
        """Raises MisfitError for a model of another family."""
        if entry.family not in families:
            fitting = [other.name for other in self.entries if other.family in families]
            raise MisfitError(
                f"model {entry.name!r} is of family {entry.family}, which cannot be used here; name one of family "
                f"{', '.join(sorted(families))}: {', '.join(fitting) or 'there is none yet, ask the operator for one'}"
            )

    def refuse_misfits(self, models: Iterable[AnyModelRef]) -> None:
        """Raises MisfitError if one of these models does not fit the checkpoint among them, UnknownModelError."""
        entries = [self.find(model) for model in models]
        for checkpoint in (entry for entry in entries if entry.family in CHECKPOINT_FAMILIES):
            for entry in entries:
                if entry.base not in (None, checkpoint.family):
                    raise MisfitError(
                        f"{entry.family} {entry.name!r} is for models of family {entry.base}, but {checkpoint.name!r} "
                        f"is of family {checkpoint.family}; leave it out, or name another model"
                    )

    def _by_own_name(self, name: str) -> ModelEntry:
        if name == "":
            return self.default
        if name in self._by_name:
            return self._by_name[name]
        near = difflib.get_close_matches(name, self._by_name, n=3, cutoff=0.5)
        others = [entry.name for entry in self.entries if entry.name not in near]
        raise UnknownModelError(f"there is no model {name[:64]!r}; there are: {', '.join([*near, *others])}")

    def _by_kind(self, ref: AnyModelRef) -> ModelEntry:
        """Among the models of this kind that fit the base: the first with this hint, else the one of this name. A
        reference with a base and no name means the first of them."""
        base = None if ref.base is None else self._by_own_name(ref.base)
        families = families_of(ref.kind)
        entries = [entry for entry in self.entries if entry.family in families]
        if base is not None:
            entries = [entry for entry in entries if entry.base == base.family]
        if base is not None and ref.name == "":
            matches = entries
        else:
            matches = [entry for entry in entries if ref.name == entry.hint]
            matches += [entry for entry in entries if ref.name in (entry.name, *entry.aliases)]
        if matches:
            return matches[0]
        raise UnknownModelError(_no_such_model(ref, base, entries))


def _no_such_model(ref: AnyModelRef, base: ModelEntry | None, entries: list[ModelEntry]) -> str:
    name = f" {ref.name[:64]!r}" if ref.name else ""
    suits = f" for {base.name!r}, a model of family {base.family}" if base else ""
    names = ", ".join(sorted({entry.hint or entry.name for entry in entries}))
    family = " or ".join(sorted(families_of(ref.kind)))
    advice = f"there are: {names}" if names else f"ask the operator to add one of family {family} to {FILE}"
    if base and not names:
        advice += f" with `for: {base.family}`"
    if ref.kind.advice:
        advice += f"; or {ref.kind.advice}"
    return f"there is no {ref.kind.title}{name}{suits}; {advice}"


def read(folder: Path) -> Catalog:
    """The catalog of a models folder. Raises CatalogError."""
    file = folder / FILE
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CatalogError(
            f"cannot read {file} ({error.strerror}); build the toy models with `python -m models.toy {folder}`, "
            "or list your own models there"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CatalogError(f"{file} is not valid YAML: {' '.join(str(error).split())}") from error
    models = content.get("models") if isinstance(content, dict) else None
    if not isinstance(models, list) or not models:
        raise CatalogError(f"{file} must hold a list `models:` with at least one model (name, path, family)")
    return Catalog(tuple(read_entry(model, index, folder) for index, model in enumerate(models)))


def _default(entries: tuple[ModelEntry, ...]) -> ModelEntry:
    checkpoints = [entry for entry in entries if entry.family in CHECKPOINT_FAMILIES]
    families = ", ".join(sorted(CHECKPOINT_FAMILIES))
    if not checkpoints:
        raise CatalogError(f"{FILE} lists no checkpoint; add one of family {families}")
    marked = [entry for entry in entries if entry.default]
    if len(marked) > 1:
        names = " and ".join(entry.name for entry in marked)
        raise CatalogError(f"{names} are both `default: true` in {FILE}; keep one")
    if marked and marked[0] not in checkpoints:
        raise CatalogError(
            f"{marked[0].name} is `default: true` in {FILE}, but a model of family {marked[0].family} does not "
            f"generate images; mark one of family {families}"
        )
    return marked[0] if marked else checkpoints[0]
