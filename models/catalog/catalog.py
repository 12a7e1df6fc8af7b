"""The catalog: which models there are, by name, as `models.yaml` in the models folder says.

Torch-free: the API answers `GET /v1/models` and refuses unknown names from it.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import yaml

from models.catalog.entry import DIFFUSION, FILE, CatalogError, Family, ModelEntry, read_entry

FOR_INPAINTING = "/inpainting"
CONTROL = "/control/"
IP_ADAPTER = "/ip_adapter/"
ANNOTATOR = "annotator/"
LORA = "lora/"
EMBEDDING = "embedding/"
DECODER = "/decoder"


class UnknownModelError(Exception):
    """A name that no model has; the message names those that exist, the likeliest first."""


class MisfitError(Exception):
    """A model was asked for what those of its family do not do, or together with one that it is not for."""


class Catalog:
    """The models there are. One of those that paint is the default, the model that an empty name means.

    `NAME/inpainting` is the model that paints masked areas for NAME: the one that its entry says, else NAME itself.
    `NAME/control/HINT` is the ControlNet that makes NAME follow a map: the first one for its family with this `hint`,
    else the one of this name. `annotator/HINT` is the first annotator that draws such maps.
    `NAME/ip_adapter/` is the first IP-Adapter for NAME's family, `NAME/ip_adapter/OTHER` the one called OTHER.
    `NAME/decoder` is the first tiny decoder for NAME's family.
    `lora/NAME` is the LoRA NAME and nothing else of that name; so is `embedding/NAME`.
    """

    def __init__(self, entries: tuple[ModelEntry, ...]) -> None:
        self.entries = entries
        self.default = _default(entries)
        self._by_name: dict[str, ModelEntry] = {}
        for entry in entries:
            for name in (entry.name, *entry.aliases):
                if name in self._by_name:
                    raise CatalogError(f"two models are called {name!r} in {FILE}; give each name and alias once")
                self._by_name[name] = entry
        for entry in entries:
            if entry.inpainting is not None and entry.inpainting not in self._by_name:
                raise CatalogError(
                    f"{entry.name} has `inpainting: {entry.inpainting}`, but no model of {FILE} is called so; "
                    "list that model too, or leave the line out"
                )

    def __iter__(self) -> Iterator[ModelEntry]:
        return iter(self.entries)

    def find(self, name: str) -> ModelEntry:
        """The model of this name or alias; "" is the default. Raises UnknownModelError."""
        if CONTROL in name:
            return self._guiding(*name.split(CONTROL, 1))
        if IP_ADAPTER in name:
            return self._seeing(*name.split(IP_ADAPTER, 1))
        if name.endswith(DECODER):
            return self._decoding(name.removesuffix(DECODER))
        if name.startswith(ANNOTATOR):
            return self._drawing(name.removeprefix(ANNOTATOR))
        if name.startswith(LORA):
            return self._of("lora", name.removeprefix(LORA))
        if name.startswith(EMBEDDING):
            return self._of("embedding", name.removeprefix(EMBEDDING))
        entry = self._called(name.removesuffix(FOR_INPAINTING))
        if not name.endswith(FOR_INPAINTING) or entry.inpainting is None:
            return entry
        return self._by_name[entry.inpainting]

    def _guiding(self, name: str, hint: str) -> ModelEntry:
        painter = self._called(name.removesuffix(FOR_INPAINTING))
        nets = [entry for entry in self.entries if entry.family == "controlnet" and entry.base == painter.family]
        fitting = [entry for entry in nets if entry.hint == hint]
        fitting += [entry for entry in nets if hint in (entry.name, *entry.aliases)]
        if fitting:
            return fitting[0]
        known = sorted({entry.hint or entry.name for entry in nets})
        raise UnknownModelError(
            f"there is no ControlNet {hint[:64]!r} for {painter.name!r}, a model of family {painter.family}; "
            + (f"there are: {', '.join(known)}" if known else f"have the operator add one with `for: {painter.family}`")
        )

    def _seeing(self, name: str, adapter: str) -> ModelEntry:
        if adapter:
            return self._of("ip_adapter", adapter)
        painter = self._called(name.removesuffix(FOR_INPAINTING))
        for entry in self.entries:
            if entry.family == "ip_adapter" and entry.base == painter.family:
                return entry
        raise UnknownModelError(
            f"there is no IP-Adapter for {painter.name!r}, a model of family {painter.family}; use another model, or "
            f"have the operator add one of family ip_adapter with `for: {painter.family}`"
        )

    def _decoding(self, name: str) -> ModelEntry:
        painter = self._called(name.removesuffix(FOR_INPAINTING))
        for entry in self.entries:
            if entry.family == "decoder" and entry.base == painter.family:
                return entry
        raise UnknownModelError(
            f"there is no tiny decoder for {painter.name!r}, a model of family {painter.family}; leave decoder out, or "
            f"have the operator add one of family decoder with `for: {painter.family}`"
        )

    def _drawing(self, hint: str) -> ModelEntry:
        for entry in self.entries:
            if entry.family == "annotator" and entry.hint == hint:
                return entry
        raise UnknownModelError(
            f"no model of this server draws {hint[:64]!r} maps; send a finished one with bypass_annotator, or have the "
            f"operator add a model of family annotator with `hint: {hint[:64]}`"
        )

    def embeddings(self, names: Iterable[str]) -> tuple[ModelEntry, ...]:
        """Those that are for the one among these models that paints; none where none of them does."""
        painters = {entry.family for entry in map(self.find, names) if entry.family in DIFFUSION}
        fitting = (None, *painters) if painters else ()
        return tuple(entry for entry in self.entries if entry.family == "embedding" and entry.base in fitting)

    def refuse_unless(self, entry: ModelEntry, families: Collection[str]) -> None:
        """Raises MisfitError for a model that is of none of these families."""
        if entry.family not in families:
            fitting = [other.name for other in self.entries if other.family in families]
            raise MisfitError(
                f"model {entry.name!r} is of family {entry.family}, which is of no use here; name one of family "
                f"{', '.join(sorted(families))}: {', '.join(fitting) or 'there is none yet, have the operator add one'}"
            )

    def refuse_misfits(self, names: Iterable[str]) -> None:
        """Raises MisfitError if any of these models is not for the one among them that paints, UnknownModelError."""
        entries = [self.find(name) for name in names]
        for painter in (entry for entry in entries if entry.family in DIFFUSION):
            for entry in entries:
                if entry.base not in (None, painter.family):
                    raise MisfitError(
                        f"{entry.family} {entry.name!r} is for models of family {entry.base}, but {painter.name!r} is "
                        f"of family {painter.family}; leave it out, or name another model"
                    )

    def _of(self, family: Family, name: str) -> ModelEntry:
        found = self._by_name.get(name)
        if found is not None and found.family == family:
            return found
        others = [entry.name for entry in self.entries if entry.family == family]
        listed = ", ".join(others) or f"none; list some of family {family} in {FILE}"
        raise UnknownModelError(f"there is no {family} {name[:64]!r}; there are: {listed}")

    def _called(self, name: str) -> ModelEntry:
        if name == "":
            return self.default
        if name in self._by_name:
            return self._by_name[name]
        near = difflib.get_close_matches(name, self._by_name, n=3, cutoff=0.5)
        others = [entry.name for entry in self.entries if entry.name not in near]
        raise UnknownModelError(f"there is no model {name[:64]!r}; there are: {', '.join([*near, *others])}")


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
    return Catalog(tuple(read_entry(model, place, folder) for place, model in enumerate(models)))


def _default(entries: tuple[ModelEntry, ...]) -> ModelEntry:
    painters = [entry for entry in entries if entry.family in DIFFUSION]
    if not painters:
        raise CatalogError(f"no model in {FILE} paints; add one of family {', '.join(sorted(DIFFUSION))}")
    marked = [entry for entry in entries if entry.default]
    if len(marked) > 1:
        names = " and ".join(entry.name for entry in marked)
        raise CatalogError(f"{names} are both `default: true` in {FILE}; keep one")
    if marked and marked[0] not in painters:
        raise CatalogError(
            f"{marked[0].name} is `default: true` in {FILE}, but its family {marked[0].family} does not paint; "
            f"mark one of family {', '.join(sorted(DIFFUSION))}"
        )
    return marked[0] if marked else painters[0]
