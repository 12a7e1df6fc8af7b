"""The catalog: which models there are, by name, as `models.yaml` in the models folder says.

Torch-free: the API answers `GET /v1/models` and refuses unknown names from it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

FILE = "models.yaml"
FOR_INPAINTING = "/inpainting"
PICKLES = frozenset({".ckpt", ".pt", ".pth", ".bin"})

DIFFUSION = frozenset({"sd1", "sd2", "sdxl"})
"""The families that paint from a prompt; the others have one trade of their own, and most are a single file."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Family = Literal["sd1", "sd2", "sdxl", "upscaler", "lama", "matting", "captioner", "enhancer"]

SPEAKING = frozenset({"captioner", "enhancer"})
"""The families that answer in words; each model is a folder as transformers saves it."""


class CatalogError(Exception):
    """`models.yaml` or something it names is missing or wrong; the message says where and what to do."""


class UnknownModelError(Exception):
    """A name that no model has; the message names those that exist, the likeliest first."""


class ModelEntry(BaseModel):
    """One model of `models.yaml`. `path` is absolute once the catalog has been read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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
    config: Path | None = None
    """For a single file: a folder of configs (and perhaps tokenizers) to use instead of the family's own."""
    normalize: Literal["imagenet", "centred"] | None = None
    """For a matting net: how it wants its pixels; None: as nets of its input size mostly do, see `matting.py`."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    bytes: int = Field(default=0, exclude=True)
    """Size of the weights on disk."""


class Catalog:
    """The models there are. One of those that paint is the default, the model that an empty name means.

    `NAME/inpainting` is the model that paints masked areas for NAME: the one that its entry says, else NAME itself.
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
        entry = self._called(name.removesuffix(FOR_INPAINTING))
        if not name.endswith(FOR_INPAINTING) or entry.inpainting is None:
            return entry
        return self._by_name[entry.inpainting]

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
        if entry.family not in DIFFUSION | SPEAKING and not path.is_file():
            raise CatalogError(f"{path} is a folder; a model of family {entry.family} is one {_suffix(entry)} file")
        return entry.model_copy(update={"path": path, "config": config, "bytes": _weigh(path, entry)})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "entry"
        raise CatalogError(f"{where}: {field}: {first['msg'][0].lower()}{first['msg'][1:]}") from error
    except CatalogError as error:
        raise CatalogError(f"{where}: {error}") from error


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


def _weigh(path: Path, entry: ModelEntry) -> int:
    """Bytes of the weights; raises CatalogError if there lies nothing that the entry's family is loaded from."""
    if entry.family in SPEAKING:
        return _weigh_speaking(path)
    suffix = _suffix(entry)
    advice = f"a diffusers folder or a {suffix} file" if entry.family in DIFFUSION else f"a {suffix} file"
    if path.is_file():
        if path.suffix != suffix:
            raise CatalogError(f"{path.name} is no model; give {advice}")
        return path.stat().st_size
    if not (path / "model_index.json").is_file():
        raise CatalogError(f"{path} has no model_index.json; give {advice}")
    return sum(weights.stat().st_size for weights in path.glob("*/*.safetensors"))


def _weigh_speaking(path: Path) -> int:
    weights = [file.stat().st_size for file in path.glob("*.safetensors")]
    if not weights or not (path / "config.json").is_file():
        raise CatalogError(
            f"{path} is no folder with a config.json and .safetensors weights; give one as transformers saves it, "
            "by save_pretrained of the model and of its tokenizer"
        )
    return sum(weights)


def _suffix(entry: ModelEntry) -> str:
    return ".onnx" if entry.family == "matting" else ".safetensors"


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
