"""The models: whether every file of `models.yaml` exists and has its checksum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from models import catalog
from models.catalog import checksums
from models.catalog.catalog import Catalog, UnknownModelError
from models.catalog.checksums import FILE as SUMS
from models.catalog.checksums import ChecksumError
from models.catalog.entry import FILE, CatalogError
from server.commands.preflight.finding import Finding, Result
from server.prompts.engines.choice import check_translator
from server.services import check_audit
from server.settings import Settings, SettingsError

ADVICE = "copy it again from its source"


def check_models(settings: Settings, *, sums: bool = True) -> Iterator[Finding]:
    folder = settings.models_path
    if not (folder / FILE).exists() and settings.models_dir is None:
        yield Finding("models", "warn", f"no {FILE} in {folder}", "toy models are built at the first `hua serve`")
        return
    try:
        models = catalog.read(*settings.models_paths)
    except CatalogError as error:
        yield Finding("models", "fail", str(error), "docs/models.md shows how the file is written")
        return
    weight = sum(entry.bytes for entry in models) / 2**30
    for problem in models.problems:
        result: Result = "fail" if problem.names else "warn"
        yield Finding("models", result, f"{problem.path}: {problem.message}", "the other models stay usable")
    try:
        message = f"{len(models.entries)} models, {weight:.1f} GiB; {models.default.name} is the default"
        yield Finding("models", "ok", message)
    except UnknownModelError as error:
        yield Finding("models", "fail", str(error), "docs/models.md lists what a checkpoint is")
    if settings.audit:
        yield _audit(settings, models)
    if settings.translator != "auto":
        yield _translator(settings, models)
    yield from _sums(settings.models_paths, models, sums)


def _audit(settings: Settings, models: Catalog) -> Finding:
    try:
        check_audit(settings, models)
    except SettingsError as error:
        return Finding(
            "audit",
            "fail",
            str(error),
            "docs/models.md describes safety checkers; without HUA_AUDIT nothing is checked",
        )
    return Finding("audit", "ok", f"{', '.join(settings.audit)}: images are checked")


def _translator(settings: Settings, models: Catalog) -> Finding:
    try:
        check_translator(settings, models)
    except SettingsError as error:
        return Finding("translator", "fail", str(error), "docs/prompts.md describes translators")
    return Finding("translator", "ok", f"HUA_TRANSLATOR={settings.translator}")


def _sums(folders: Sequence[Path], models: Catalog, read_files: bool) -> Iterator[Finding]:
    """Compares with SHA256SUMS, as sha256sum writes it, and with the `sha256` of entries."""
    digests: dict[Path, str] = {}
    for folder in folders:
        try:
            listed = checksums.read(folder) if (folder / SUMS).exists() else {}
        except ChecksumError as error:
            yield Finding("sha256", "fail", str(error), f"write it again: (cd {folder} && {checksums.LIST_FILES})")
            return
        digests |= {(folder / name).resolve(): digest for name, digest in listed.items()}
    digests |= {entry.weights: entry.sha256 for entry in models if entry.sha256 is not None}
    if not digests:
        advice = f"if the files are correct: (cd {folders[0]} && {checksums.LIST_FILES})"
        yield Finding("sha256", "skipped", f"no {SUMS} in the models folder, and no `sha256` in {FILE}", advice)
        return
    if not read_files:
        yield Finding("sha256", "skipped", f"--no-sums skips {len(digests)} files")
        return
    missing = [path for path in digests if not path.is_file()]
    for path in missing:
        yield Finding("sha256", "fail", f"{path} does not exist, but is listed", ADVICE)
    wrong = [path for path, digest in digests.items() if path not in missing and checksums.digest(path) != digest]
    for path in wrong:
        yield Finding("sha256", "fail", f"{path} has changed", ADVICE)
    if not missing and not wrong:
        yield Finding("sha256", "ok", f"{len(digests)} files have their checksums")
