"""One model of `models.yaml`: what may be said of it, and whether what lies in the models folder bears it out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from models.pydantic_errors import field_path, message_of

FILE = "models.yaml"
PICKLES = frozenset({".ckpt", ".pt", ".pth", ".bin"})

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Painting = Literal["sd1", "sd2", "sdxl"]
Family = Literal[
    Painting,
    "upscaler",
    "lama",
    "matting",
    "controlnet",
    "ip_adapter",
    "decoder",
    "annotator",
    "lora",
    "embedding",
    "captioner",
    "enhancer",
    "safety",
]

DIFFUSION: frozenset[str] = frozenset(get_args(Painting))
"""The families that paint from a prompt; the others have one trade of their own, and most are a single file."""

GUIDES = frozenset({"controlnet", "annotator"})
"""The families around control maps: one net each, in a file or in a folder with its `config.json`."""

SPEAKING = frozenset({"captioner", "enhancer"})
"""The families that answer in words; each model is a folder as transformers saves it."""

FOLDERS = SPEAKING | {"decoder", "safety"}
"""The families whose models are folders with a `config.json`, as `save_pretrained` writes them."""


class CatalogError(Exception):
    """`models.yaml` or something it names is missing or wrong; the message says where and what to do."""


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
    side: int | None = Field(default=None, ge=64, le=2048, multiple_of=8)
    """Width and height, in pixels, that a painter was trained at: the size of a picture that names none."""
    clip_skip: int = Field(default=0, ge=0, le=8)
    """Text-encoder layers left out when a task does not say how many."""
    inpainting: Name | None = None
    """The model that paints masked areas for this one, if it was trained for that; see `Catalog.find`."""
    base: Annotated[Painting | None, Field(alias="for")] = None
    """The family of the checkpoints that a LoRA, a ControlNet, an IP-Adapter, an embedding or a decoder is for; None:
    any that it fits."""
    negative: bool = False
    """Whether an embedding is added to every negative prompt, unless a task says `disable_easy_negative`."""
    config: Path | None = None
    """For a single file: a folder of configs (and perhaps tokenizers) to use instead of the family's own."""
    encoder: Path | None = None
    """For an IP-Adapter: the folder of the CLIP vision encoder by which it sees, as transformers saves it."""
    hint: Name | None = None
    """What kind of map guides a ControlNet, or is drawn by an annotator: `canny`, `depth`…"""
    normalize: Literal["imagenet", "centred"] | None = None
    """For a matting net: how it wants its pixels; None: as nets of its input size mostly do, see `matting.py`."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    bytes: int = Field(default=0, exclude=True)
    """Size of the weights on disk."""


def read_entry(model: object, place: int, folder: Path) -> ModelEntry:
    """The entry at this place of the list, checked against what lies in the models folder. Raises CatalogError."""
    called = model.get("name") if isinstance(model, dict) else None
    where = f"{folder / FILE}, model {called!r}" if called else f"{folder / FILE}, model number {place + 1}"
    try:
        entry = ModelEntry.model_validate(model)
        path = _resolve(entry.path, folder)
        config = _resolve(entry.config, folder) if entry.config else None
        encoder = _resolve(entry.encoder, folder) if entry.encoder else None
        if entry.family == "sd2" and path.is_file() and entry.prediction is None:
            raise CatalogError(
                "a single file does not say what it predicts; add `prediction: v_prediction` (models of 768 pixels) "
                "or `prediction: epsilon` (those of 512)"
            )
        if entry.family in GUIDES:
            _check_guide(entry)
        elif entry.family == "ip_adapter" and (entry.base is None or entry.encoder is None):
            raise CatalogError(
                "an IP-Adapter is for checkpoints of one family and sees by a CLIP vision encoder; say which, such as "
                "`for: sd1` and `encoder: clip-vit-h`"
            )
        elif entry.family == "decoder" and entry.base is None:
            raise CatalogError("a decoder reads the latents of one family of models; say which, such as `for: sd1`")
        elif entry.family not in DIFFUSION | FOLDERS and not path.is_file():
            raise CatalogError(f"{path} is a folder; a model of family {entry.family} is one {_suffix(entry)} file")
        weight = _weigh(path, entry) + (_weigh_folder(encoder) if encoder else 0)
        return entry.model_copy(update={"path": path, "config": config, "encoder": encoder, "bytes": weight})
    except ValidationError as error:
        first = error.errors()[0]
        message = message_of(first)
        raise CatalogError(f"{where}: {field_path(first) or 'entry'}: {message[0].lower()}{message[1:]}") from error
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


def _weigh(path: Path, entry: ModelEntry) -> int:
    """Bytes of the weights; raises CatalogError if there lies nothing that the entry's family is loaded from."""
    if entry.family in FOLDERS:
        return _weigh_folder(path)
    suffix = _suffix(entry)
    advice = f"a diffusers folder or a {suffix} file" if entry.family in DIFFUSION else f"a {suffix} file"
    if path.is_file():
        if path.suffix != suffix:
            raise CatalogError(f"{path.name} is no model; give {advice}")
        return path.stat().st_size
    if not any((path / name).is_file() for name in ("model_index.json", "config.json")):
        raise CatalogError(f"{path} has no model_index.json; give {advice}")
    return sum(weights.stat().st_size for weights in path.glob("**/*.safetensors"))


def _weigh_folder(path: Path) -> int:
    weights = [file.stat().st_size for file in path.glob("*.safetensors")]
    if not weights or not (path / "config.json").is_file():
        raise CatalogError(
            f"{path} is no folder with a config.json and .safetensors weights; give one as "
            "save_pretrained of the model, and of what prepares its inputs, writes it"
        )
    return sum(weights)


def _suffix(entry: ModelEntry) -> str:
    return ".onnx" if entry.family == "matting" else ".safetensors"
