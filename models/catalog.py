"""The catalog: which models there are, by name, as `models.yaml` in the models folder says.

Torch-free: the API answers `GET /v1/models` and refuses unknown names from it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

FILE = "models.yaml"
FOR_INPAINTING = "/inpainting"
CONTROL = "/control/"
ANNOTATOR = "annotator/"
LORA = "lora/"
EMBEDDING = "embedding/"
PICKLES = frozenset({".ckpt", ".pt", ".pth", ".bin"})

DIFFUSION = frozenset({"sd1", "sd2", "sdxl"})
"""The families that paint from a prompt; the others are single nets, each in one file, with one trade of their own."""

GUIDES = frozenset({"controlnet", "annotator"})
"""The families around control maps: one net each, in a file or in a folder with its `config.json`."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Family = Literal["sd1", "sd2", "sdxl", "upscaler", "lama", "controlnet", "annotator", "lora", "embedding"]


class CatalogError(Exception):
    """`models.yaml` or something it names is missing or wrong; the message says where and what to do."""


class UnknownModelError(Exception):
    """A name that no model has; the message names those that exist, the likeliest first."""


class MisfitError(Exception):
    """A model was asked for together with one of a family that it is not for."""


class ModelEntry(BaseModel):
    """One model of `models.yaml`. `path` is absolute once the catalog has been read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: Name
    path: Path
    family: Family
    title: str = ""
    aliases: tuple[Name, ...] = ()
    default: bool = False
    prediction: Literal["epsilon", "v_prediction"] | None = None
    """What the denoiser was trained to predict; None: what the folder's scheduler config says."""
    clip_skip: int = Field(default=0, ge=0, le=8)
    """Text-encoder layers left out when a task does not say how many."""
    inpainting: Name | None = None
    """The model that paints masked areas for this one, if it was trained for that; see `Catalog.find`."""
    base: Annotated[Literal["sd1", "sd2", "sdxl"] | None, Field(alias="for")] = None
    """The family of the checkpoints that a LoRA, a ControlNet or an embedding is for; None: any that it fits."""
    negative: bool = False
    """Whether an embedding is added to every negative prompt, unless a task says `disable_easy_negative`."""
    config: Path | None = None
    """For a single file: a folder of configs (and perhaps tokenizers) to use instead of the family's own."""
    hint: Name | None = None
    """What kind of map guides a ControlNet, or is drawn by an annotator: `canny`, `depth`…"""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    bytes: int = Field(default=0, exclude=True)
    """Size of the weights on disk."""


class Catalog:
    """The models there are. One of those that paint is the default, the model that an empty name means.

    `NAME/inpainting` is the model that paints masked areas for NAME: the one that its entry says, else NAME itself.
    `NAME/control/HINT` is the ControlNet that makes NAME follow a map: the first one for its family with this `hint`,
    else the one of this name. `annotator/HINT` is the first annotator that draws such maps.
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
    return Catalog(tuple(_entry(model, place, folder) for place, model in enumerate(models)))


def _entry(model: object, place: int, folder: Path) -> ModelEntry:
    called = model.get("name") if isinstance(model, dict) else None
    where = f"{folder / FILE}, model {called!r}" if called else f"{folder / FILE}, model number {place + 1}"
    try:
        entry = ModelEntry.model_validate(model)
        path = _resolve(entry.path, folder)
        config = _resolve(entry.config, folder) if entry.config else None
        if entry.family == "sd2" and path.is_file() and entry.prediction is None:
            raise CatalogError(
                "a single file does not say what it predicts; add `prediction: v_prediction` (models of 768 pixels) "
                "or `prediction: epsilon` (those of 512)"
            )
        if entry.family in GUIDES:
            _check_guide(entry)
        elif entry.family not in DIFFUSION and not path.is_file():
            raise CatalogError(f"{path} is a folder; a model of family {entry.family} is one .safetensors file")
        return entry.model_copy(update={"path": path, "config": config, "bytes": _weigh(path)})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "entry"
        raise CatalogError(f"{where}: {field}: {first['msg'][0].lower()}{first['msg'][1:]}") from error
    except CatalogError as error:
        raise CatalogError(f"{where}: {error}") from error


def _check_guide(entry: ModelEntry) -> None:
    if entry.family == "controlnet" and entry.base is None:
        raise CatalogError("a ControlNet guides checkpoints of one family; say which, such as `for: sd1`")
    if entry.family == "annotator" and entry.hint is None:
        raise CatalogError("an annotator draws maps of one kind; say which, such as `hint: depth`")


def _resolve(path: Path, folder: Path) -> Path:
    """Where an entry's path lies: inside the models folder, links followed, unless it is given as absolute."""
    found = (folder / path).resolve()
    if not path.is_absolute() and not found.is_relative_to(folder.resolve()):
        raise CatalogError(f"{path} leads out of the models folder; move it inside, or give an absolute path")
    if PICKLES & {path.suffix.lower(), found.suffix.lower()}:
        raise CatalogError(
            f"{path.name} is a pickle, which can run code when it is opened; convert it to safetensors on a machine "
            "you can lose: torch.load(…, weights_only=True), then safetensors.torch.save_file"
        )
    if not found.exists():
        raise CatalogError(f"{found} does not exist; put the model there, or correct its path")
    return found


def _weigh(path: Path) -> int:
    """Bytes of the weights; raises CatalogError if the path is neither a diffusers folder nor a .safetensors file."""
    if path.is_file():
        if path.suffix != ".safetensors":
            raise CatalogError(f"{path.name} is no model; give a diffusers folder or a .safetensors file")
        return path.stat().st_size
    if not any((path / name).is_file() for name in ("model_index.json", "config.json")):
        raise CatalogError(f"{path} has no model_index.json; give a diffusers folder or a .safetensors file")
    return sum(weights.stat().st_size for weights in path.glob("**/*.safetensors"))


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
