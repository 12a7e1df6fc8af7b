"""One entry of `models.yaml`: its fields, and the check that its files are there."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from models.kinds import CHECKPOINT_FAMILIES, FAMILIES
from models.kinds.layout import LayoutError, PretrainedFolder
from models.pydantic_errors import field_path, message_of

FILE = "models.yaml"
PICKLES = frozenset({".ckpt", ".pt", ".pth", ".bin"})


class CatalogError(Exception):
    """`models.yaml`, or a file that it names, is missing or wrong; the message says where and what to do."""


def _check_family(name: str) -> str:
    return _one_of(name, FAMILIES)


def _check_checkpoint_family(name: str | None) -> str | None:
    return None if name is None else _one_of(name, CHECKPOINT_FAMILIES)


def _one_of(name: str, families: Collection[str]) -> str:
    if name not in families:
        raise PydanticCustomError(
            "family", "there is no such family; there are: {families}", {"families": ", ".join(sorted(families))}
        )
    return name


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class ModelEntry(BaseModel):
    """One model of `models.yaml`. Once the catalog has been read, its paths are absolute."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: Name
    path: Path
    family: Annotated[str, AfterValidator(_check_family)]
    title: str = ""
    aliases: tuple[Name, ...] = ()
    default: bool = False
    prediction: Literal["epsilon", "v_prediction"] | None = None
    """What the denoiser was trained to predict; None: what the scheduler config of the folder says."""
    side: int | None = Field(default=None, ge=64, le=2048, multiple_of=8)
    """Width and height, in pixels, that a checkpoint was trained at: the size of an image if a task names none."""
    clip_skip: int = Field(default=0, ge=0, le=8)
    """Text-encoder layers to leave out if a task does not say how many."""
    inpainting: Name | None = None
    """The checkpoint to use instead of this one for masked areas."""
    base: Annotated[str | None, Field(alias="for"), AfterValidator(_check_checkpoint_family)] = None
    """The family of checkpoints that an adapter, an embedding or a decoder is for; None: any that it fits."""
    negative: bool = False
    """Whether an embedding is added to every negative prompt, unless a task sets `disable_easy_negative`."""
    config: Path | None = None
    """For a single file: a folder of configs (and perhaps tokenizers) to use instead of the family's own."""
    encoder: Path | None = None
    """For an IP-Adapter: the folder of its CLIP vision encoder, as transformers saves it."""
    hint: Name | None = None
    """The kind of map that a ControlNet follows or an annotator draws: `canny`, `depth`…"""
    normalize: Literal["imagenet", "centred"] | None = None
    """For a matting net: how its input is normalised; None: as most nets of its input size expect, see `matting.py`."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    bytes: int = Field(default=0, exclude=True)
    """Size of the weights on disk."""


def read_entry(model: object, index: int, folder: Path) -> ModelEntry:
    """Checks an entry against the files of the models folder. Raises CatalogError.

    `index` is the position of the entry in the list; an error names it if the entry has no name.
    """
    name = model.get("name") if isinstance(model, dict) else None
    where = f"{folder / FILE}, model {name!r}" if name else f"{folder / FILE}, model number {index + 1}"
    try:
        return _resolve_entry(ModelEntry.model_validate(model), folder)
    except ValidationError as error:
        first = error.errors()[0]
        message = message_of(first)
        raise CatalogError(f"{where}: {field_path(first) or 'entry'}: {message[0].lower()}{message[1:]}") from error
    except (CatalogError, LayoutError) as error:
        raise CatalogError(f"{where}: {error}") from error


def _resolve_entry(entry: ModelEntry, folder: Path) -> ModelEntry:
    family = FAMILIES[entry.family]
    path = _resolve(entry.path, folder)
    config = _resolve(entry.config, folder) if entry.config else None
    encoder = _resolve(entry.encoder, folder) if entry.encoder else None
    required = {**family.required, **(family.required_of_files if path.is_file() else {})}
    for field, message in required.items():
        if getattr(entry, field) is None:
            raise CatalogError(message)
    size = family.layout.weigh(path) + (PretrainedFolder().weigh(encoder) if encoder else 0)
    return entry.model_copy(update={"path": path, "config": config, "encoder": encoder, "bytes": size})


def _resolve(path: Path, folder: Path) -> Path:
    """The absolute path, links followed. A relative path must lead to a file inside the models folder."""
    resolved = (folder / path).resolve()
    if not path.is_absolute() and not resolved.is_relative_to(folder.resolve()):
        raise CatalogError(f"{path} leads out of the models folder; move it inside, or give an absolute path")
    if PICKLES & {path.suffix.lower(), resolved.suffix.lower()}:
        raise CatalogError(
            f"{path.name} is a pickle, which can run code when it is opened; convert it to safetensors on a machine "
            "you can lose: torch.load(…, weights_only=True), then safetensors.torch.save_file"
        )
    if not resolved.exists():
        raise CatalogError(f"{resolved} does not exist; put the model there, or correct its path")
    return resolved
