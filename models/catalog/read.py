"""Reads a models folder: what the scan finds there, and what `models.yaml` says about it or adds.

The list is optional. An entry with the `path` or the `name` of a found model changes its fields; another entry adds a
model. What is wrong with one model is a problem in the catalog, and the others stay usable.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from models.catalog.catalog import Catalog
from models.catalog.entry import FILE, CatalogError, ModelEntry
from models.catalog.file_hashes import FileHashes
from models.catalog.image_encoders import with_encoder
from models.catalog.names import MAX_NAME, key_of, name_of_stem
from models.catalog.packages import installed_packages, with_aliases, with_titles
from models.catalog.parts import with_parts
from models.catalog.read_entry import read_entry
from models.catalog.scan import FoundModel, Problem, Scanner
from models.catalog.style import Style, read_style
from models.catalog.styles_csv import STYLES_FILE, read_styles_csv
from models.kinds import CHECKPOINT_FAMILIES
from models.plain_files import is_folder, open_plain, resolve

TABLES = ("models", "styles")
"""The lists that `models.yaml` may hold."""


def read(*folders: Path, scanner: Scanner | None = None, hashes: FileHashes | None = None) -> Catalog:
    """The catalog of models folders and of installed packages. Raises CatalogError if a folder cannot be read, or if
    its `models.yaml` is no YAML.

    `scanner` remembers the headers of the last reading, `hashes` the hashes of files.
    """
    for folder in folders:
        if not is_folder(folder):
            raise CatalogError(f"{folder} is not a folder; create it, or correct HUA_MODELS_DIR")
    scanner = scanner or Scanner()
    try:
        scanned, unusable = scanner.scan([*folders, *installed_packages()])
    except OSError as error:
        raise CatalogError(f"{error.filename} cannot be read ({error.strerror}); check its disk") from error
    found = [with_encoder(model, scanner.encoders) for model in with_titles(scanned)]
    entries: list[ModelEntry] = []
    problems: list[Problem] = []
    styles: list[Style] = []
    covered = set[Path]()
    for folder in folders:
        tables = _tables(folder / FILE)
        covered |= _read_models(tables.get("models", []), folder, found, entries, problems)
        _read_styles(tables.get("styles", []), folder / FILE, styles, problems)
        _add_styles_csv(folder / STYLES_FILE, styles, problems)
    for model in found:
        if model.path in covered:
            continue
        name = _own_name(model)
        try:
            entries.append(read_entry(_with_found_fields({"name": name}, model), model.path.parent))
        except CatalogError as error:
            problems.append(Problem(model.path, f"{model.path.name} needs an entry in {FILE}: {error}", (name,)))
    usable, problems = _consistent(with_aliases(entry for entry in entries if not entry.hidden), problems)
    others = [each for each in unusable if _real_path(each.path) not in covered]
    problems += (replace(each, names=(name_of_stem(each.path.stem),)) for each in others)
    return Catalog(usable, problems, styles, hashes)


def _real_path(path: Path) -> Path:
    """Links followed; the path itself if they lead nowhere."""
    try:
        return resolve(path)
    except OSError:
        return path


def _tables(file: Path) -> dict[str, list[Any]]:
    """The lists of the file by name; none if there is no file."""
    try:
        with open_plain(file) as opened:
            content = yaml.safe_load(opened.read().decode("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CatalogError(f"cannot read {file} ({error.strerror}); correct its rights") from error
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise CatalogError(f"{file} is not valid YAML: {' '.join(str(error).split())}") from error
    tables = {name: content[name] for name in TABLES if name in content} if isinstance(content, dict) else {}
    if not tables or not all(isinstance(table, list) for table in tables.values()):
        raise CatalogError(f"{file} must hold a list `models:`; delete the file if there is nothing to list")
    return tables


def _read_models(
    items: Sequence[Any],
    folder: Path,
    found: Sequence[FoundModel],
    entries: list[ModelEntry],
    problems: list[Problem],
) -> set[Path]:
    """Adds the models of `models.yaml`, or their problems. Returns the paths of the models that it is about."""
    by_path = {model.path: model for model in found}
    by_name = {key_of(_own_name(model)): model for model in reversed(found)}
    covered: set[Path] = set()
    for number, item in enumerate(items, start=1):
        fields = item if isinstance(item, dict) else {}
        if "path" in fields:
            match = by_path.get(_real_path(folder / str(fields["path"])))
        else:
            match = by_name.get(key_of(str(fields.get("name", ""))))
        covered |= {match.path} if match else set()
        try:
            entries.append(read_entry(_with_found_fields(item, match), folder))
            covered.add(entries[-1].path)
        except CatalogError as error:
            where = f"model {fields['name']!r}" if fields.get("name") else f"model number {number}"
            problems.append(_problem_of(fields, match, folder, f"{folder / FILE}, {where}: {error}"))
    return covered


def _read_styles(items: Sequence[Any], file: Path, styles: list[Style], problems: list[Problem]) -> None:
    """Adds the styles of `models.yaml`, or their problems."""
    for number, item in enumerate(items, start=1):
        try:
            style = read_style(item)
        except CatalogError as error:
            problems.append(Problem(file, f"{file}, style number {number}: {error}"))
            continue
        _add_style(style, file, styles, problems)


def _add_styles_csv(file: Path, styles: list[Style], problems: list[Problem]) -> None:
    try:
        found = read_styles_csv(file)
    except CatalogError as error:
        problems.append(Problem(file, str(error)))
        return
    for style in found:
        _add_style(style, file, styles, problems)


def _add_style(style: Style, file: Path, styles: list[Style], problems: list[Problem]) -> None:
    if any(style.id == other.id for other in styles):
        problems.append(Problem(file, f"{file}: two styles have the id {style.id!r}; give one of them another"))
    else:
        styles.append(style)


def _problem_of(fields: dict[str, Any], model: FoundModel | None, folder: Path, message: str) -> Problem:
    """The problem of an entry, with the names that tasks may give its model."""
    aliases = fields.get("aliases")
    named = [fields.get("name"), *(aliases if isinstance(aliases, list) else ())]
    names = [str(name) for name in named if name] or ([_own_name(model)] if model else [])
    return Problem(folder / FILE, message, tuple(names), fields.get("default") is True)


def _with_found_fields(item: Any, model: FoundModel | None) -> Any:
    """What the entry says goes before what the header tells, for a file may be labelled wrong."""
    if model is None:
        return item
    fields = {("for" if name == "base" else name): value for name, value in model.fields.items()}
    return {"path": str(model.path), "family": model.family, **fields, **item}


def _own_name(model: FoundModel) -> str:
    return name_of_stem(model.path.name if model.path.is_dir() else model.path.stem)


def _consistent(entries: list[ModelEntry], problems: list[Problem]) -> tuple[list[ModelEntry], list[Problem]]:
    """Changes what contradicts an earlier entry, and says so."""
    result: list[ModelEntry] = []
    problems, used = list(problems), set[str]()
    for entry in entries:
        renamed = _with_free_names(entry, used)
        if renamed != entry:
            clashing = next(name for name in (entry.name, *entry.aliases) if key_of(name) in used)
            message = f"two models are called {clashing!r}; {entry.path} is called {renamed.name!r} until you rename it"
            problems.append(Problem(entry.path, f"{message}, or give it another name in {FILE}"))
        used |= {key_of(name) for name in (renamed.name, *renamed.aliases)}
        result.append(renamed)
    whole = with_parts(result, problems)
    checked = [_with_known_inpainting(entry, used, problems) for entry in whole]
    return _with_one_default(checked, problems), problems


def _with_free_names(entry: ModelEntry, used: Collection[str]) -> ModelEntry:
    """The entry without names that others have; its own name then has that of its folder, and a number if need be."""
    name, number = entry.name, 1
    while key_of(name) in used:
        suffix = f" ({entry.path.parent.name} {number})" if number > 1 else f" ({entry.path.parent.name})"
        name, number = entry.name[: max(MAX_NAME - len(suffix), 0)] + suffix, number + 1
    aliases = tuple(alias for alias in entry.aliases if key_of(alias) not in used)
    return entry.model_copy(update={"name": name, "aliases": aliases})


def _with_known_inpainting(entry: ModelEntry, names: set[str], problems: list[Problem]) -> ModelEntry:
    if entry.inpainting is None or key_of(entry.inpainting) in names:
        return entry
    message = (
        f"{entry.name} has `inpainting: {entry.inpainting}`, but no model has this name; "
        "add that model too, or leave the line out"
    )
    problems.append(Problem(entry.path, message))
    return entry.model_copy(update={"inpainting": None})


def _with_one_default(entries: list[ModelEntry], problems: list[Problem]) -> list[ModelEntry]:
    """The first checkpoint that is marked stays marked."""
    marked = [entry for entry in entries if entry.default]
    valid = [entry for entry in marked if entry.family in CHECKPOINT_FAMILIES]
    for entry in marked:
        if entry not in valid:
            message = f"a model of family {entry.family} does not generate images; mark one of family "
            message += ", ".join(sorted(CHECKPOINT_FAMILIES))
            problems.append(Problem(entry.path, f"{entry.name} is `default: true`, but {message}"))
    for entry in valid[1:]:
        message = f"{valid[0].name} and {entry.name} are both `default: true`; keep one"
        problems.append(Problem(entry.path, message))
    return [entry if entry in valid[:1] else entry.model_copy(update={"default": False}) for entry in entries]
