"""The catalog: the models of a folder, by name.

Torch-free: the API answers `GET /v1/models` from it and refuses unknown names.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from models.catalog.entry import FILE, ModelEntry
from models.catalog.file_hashes import FileHash, FileHashes
from models.catalog.names import MAX_NAME, hash_in, key_of, spellings
from models.catalog.scan import Problem
from models.catalog.style import Style
from models.files.weights_error import WeightsError
from models.kinds import CHECKPOINT_FAMILIES, families_of
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import AnyModelRef, ModelKind, ModelRef
from models.kinds.textual_inversion import TEXTUAL_INVERSION

MAX_LISTED = 20
"""Names in an error message."""
MAX_TITLE = 2 * MAX_NAME
"""Characters of a name that may be a title with a hash."""


class UnknownModelError(Exception):
    """No model has this name; the message lists those that exist, the most similar first."""

    code = "bad_input"


class BrokenModelError(UnknownModelError):
    """The model of this name cannot be used; the message says which file is to blame and what to do."""

    code = WeightsError.code

    def __init__(self, name: str, problem: Problem) -> None:
        super().__init__(f"{name} cannot be used: {problem.message}")


class MisfitError(Exception):
    """A model cannot do what the task needs, or does not fit the checkpoint of the task."""

    code = "bad_input"


class Catalog:
    """The models of a models folder. One of the checkpoints is the default, which an empty name means."""

    def __init__(
        self,
        entries: Iterable[ModelEntry],
        problems: Iterable[Problem] = (),
        styles: Iterable[Style] = (),
        hashes: FileHashes | None = None,
    ) -> None:
        self.hashes = hashes or FileHashes()
        self.entries = tuple(entries)
        self.problems = tuple(problems)
        """Files and entries that are no usable model."""
        self.styles = {style.id: style for style in styles}
        """The styles of the operator's table by id, in its order."""
        self._by_key: dict[str, ModelEntry] = {}
        for entry in self.entries:
            self._by_key |= dict.fromkeys(map(key_of, (entry.name, *entry.aliases)), entry)
        for entry in self.entries:
            for key in spellings(entry):
                self._by_key.setdefault(key, entry)
        self._broken = {key_of(name): problem for problem in self.problems for name in problem.names}
        self._default: ModelEntry | None = None
        with suppress(UnknownModelError):
            self._default = _choose_default(self.entries, self.problems)

    @property
    def default(self) -> ModelEntry:
        """The checkpoint of tasks that name none. Raises UnknownModelError if the folder has no checkpoint.

        Raises BrokenModelError if the marked one cannot be used: another would paint other pictures without a word.
        """
        return self._default or _choose_default(self.entries, self.problems)

    def is_default(self, entry: ModelEntry) -> bool:
        return entry is self._default

    def __iter__(self) -> Iterator[ModelEntry]:
        return iter(self.entries)

    def find(self, model: AnyModelRef | str) -> ModelEntry:
        """The model of this name, alias or hash ("" is the default), or the one that a reference means.

        Raises UnknownModelError.
        """
        if isinstance(model, str):
            return self._by_own_name(model)
        if not model.kind.named_by_callers:
            return self._by_kind(model)
        entry = self._default_of(model.kind, model.name) or self._by_own_name(model.name, families_of(model.kind))
        return self._by_own_name(entry.inpainting) if model.inpainting and entry.inpainting else entry

    def has(self, models: Iterable[AnyModelRef]) -> bool:
        """Whether there are models for all of these references."""
        try:
            return all(self.find(model) for model in models)
        except UnknownModelError:
            return False

    def hash_of(self, entry: ModelEntry) -> FileHash | None:
        """None if it is not known: the model is a folder, or its file has not been read yet."""
        found = self.hashes.of(entry.weights)
        return FileHash(entry.sha256) if found is None and entry.sha256 is not None else found

    def find_hash(self, name: str) -> ModelEntry | None:
        """The model whose hash this is, or is at the end of this title; None if no known hash is."""
        if not (digits := hash_in(name)):
            return None
        hashes = ((entry, self.hash_of(entry)) for entry in self.entries)
        return next((entry for entry, known in hashes if known and known.begins_with(digits)), None)

    @property
    def style_names(self) -> list[str]:
        """The ids and titles of all styles, in the order of the operator's table."""
        return [name for style in self.styles.values() for name in (style.id, style.title) if name]

    def find_style(self, name: str) -> Style | None:
        """The style with this id or title, in any case; None if there is none. Ids go before titles."""
        by_title = {style.title.lower(): style for style in reversed(self.styles.values()) if style.title}
        by_id = {style.id.lower(): style for style in self.styles.values()}
        return (by_title | by_id).get(name.lower())

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
                    alike = (each for each in self.entries if each.family == entry.family)
                    fitting = [each.name for each in alike if each.base in (None, checkpoint.family)][:10]
                    raise MisfitError(
                        f"{entry.family} {entry.name!r} is for models of family {entry.base}, but {checkpoint.name!r} "
                        f"is of family {checkpoint.family}; leave it out, or name another model"
                        + (f"; these fit: {', '.join(fitting)}" if fitting else "")
                    )

    def _default_of(self, kind: ModelKind[Any], name: str) -> ModelEntry | None:
        """The default model of a kind, if `name` means it; None if the name means a model of its own.

        Raises UnknownModelError.
        """
        if name not in kind.default_names or key_of(name) in self._by_key or key_of(name) in self._broken:
            return None
        if kind is CHECKPOINT:
            return self.default
        families = families_of(kind)
        fitting = [entry for entry in self.entries if entry.family in families]
        if not fitting:
            raise UnknownModelError(_no_such_model(ModelRef(kind), None, []))
        return min(fitting, key=lambda entry: entry.is_toy)

    def _by_own_name(self, name: str, families: Collection[str] = ()) -> ModelEntry:
        """Raises UnknownModelError, which lists the models of these `families`, or all if there are none of them."""
        if name == "":
            return self.default
        key = key_of(name)
        if key == name.strip().casefold() and key in self._by_key:
            return self._by_key[key]
        if by_hash := self.find_hash(name[:MAX_TITLE]):
            return by_hash
        if key in self._by_key:
            return self._by_key[key]
        if key in self._broken:
            raise BrokenModelError(f"model {name[:64]!r}", self._broken[key])
        near = [self._by_key[key].name for key in difflib.get_close_matches(key[:MAX_NAME], self._by_key, cutoff=0.5)]
        fitting = [entry.name for entry in self.entries if entry.family in families]
        names = list(dict.fromkeys([*near, *(fitting or [entry.name for entry in self.entries])]))
        more = f" and {len(names) - MAX_LISTED} more, which GET /v1/models lists" if len(names) > MAX_LISTED else ""
        advice = f"{self._about_hash(name)}; there are: {', '.join(names[:MAX_LISTED])}{more}"
        raise UnknownModelError(f"there is no model {name[:64]!r}{advice}")

    def _about_hash(self, name: str) -> str:
        pending = self.hashes.pending
        return f" ({pending} files have no hash yet, try again later)" if pending and hash_in(name[:MAX_TITLE]) else ""

    def _by_kind(self, ref: AnyModelRef) -> ModelEntry:
        """Among the models of this kind that fit the base: the first with this hint, else the one of this name. A
        reference with a base and no name means the first of them, one without a hint if there is one."""
        base = None if ref.base is None else self.find(ModelRef(CHECKPOINT, ref.base))
        families = families_of(ref.kind)
        entries = [entry for entry in self.entries if entry.family in families]
        if base is not None:
            entries = [entry for entry in entries if entry.base == base.family]
        if base is not None and ref.name == "":
            matches = sorted(entries, key=lambda entry: entry.hint is not None)
        else:
            matches = [entry for entry in entries if ref.name == entry.hint]
            matches += [entry for entry in entries if key_of(ref.name) in spellings(entry)]
        if matches:
            return matches[0]
        raise UnknownModelError(_no_such_model(ref, base, entries))


def _choose_default(entries: Sequence[ModelEntry], problems: Sequence[Problem]) -> ModelEntry:
    """The marked checkpoint, else the first one that needs no mask, else the first one."""
    checkpoints = [entry for entry in entries if entry.family in CHECKPOINT_FAMILIES]
    if marked := [entry for entry in checkpoints if entry.default]:
        return marked[0]
    if broken := [problem for problem in problems if problem.default]:
        raise BrokenModelError("the default model", broken[0])
    if not checkpoints:
        raise UnknownModelError("there is no checkpoint yet; ask the operator to put one into the models folder")
    return min(checkpoints, key=lambda entry: entry.shape.only_inpaints)


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
