"""One model of the catalog, found in the folder or listed in `models.yaml`: plain data that every loader gets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from models.catalog.checkpoint_shape import CheckpointShape
from models.files.ncnn_param import weights_file

FILE = "models.yaml"
TOY = "toy-"
"""How the names of the toy models begin."""


DESCRIPTIVE = (
    "title",
    "licence",
    "default",
    "default_parts",
    "side",
    "inpainting",
    "trigger_words",
    "negative",
    "reads",
    "sha256",
    "hidden",
)
"""The fields of an entry that no loader reads."""


class CatalogError(Exception):
    """`models.yaml`, or a file that it names, is missing or wrong; the message says where and what to do."""

    code = "bad_model"


Name = Annotated[str, StringConstraints(pattern=r"^[^/\\\x00-\x1f\x7f]{1,128}$")]
"""The name of a file may be a name, in any script; a path may not."""


Language = Literal["en", "zh", "ja", "ko"]


class ModelEntry(BaseModel):
    """One model. Once the catalog has been read, its paths are absolute."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: Name
    path: Path
    family: str
    title: str = ""
    licence: str = ""
    """Of the weights; empty if it is not known."""
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
    base: Annotated[str | None, Field(alias="for")] = None
    """The family of checkpoints that an adapter, an embedding or a decoder is for; None: any that it fits."""
    trigger_words: tuple[str, ...] = ()
    """The words of a prompt to which a LoRA answers."""
    negative: bool = False
    """Whether an embedding is added to every negative prompt, unless a task sets `disable_easy_negative`."""
    reads: tuple[Language, ...] = ("en",)
    """The languages of prompts that a checkpoint or a text model understands. Others are translated into English."""
    config: Path | None = None
    """For a single file: a folder of configs (and perhaps tokenizers) to use instead of the family's own."""
    vae: Path | None = None
    """For a checkpoint: its VAE instead of that in its file: a file, a folder, or the name of a model."""
    text_encoder: Path | None = None
    """For a checkpoint: its text encoder instead of that in its file: a file, a folder, or the name of a checkpoint."""
    text_encoder_2: Path | None = None
    """The same of the second text encoder of SDXL."""
    default_parts: bool = False
    """Whether single files of its family take the text encoders and the VAE that they lack from this checkpoint."""
    encoder: Path | None = None
    """For an IP-Adapter: its CLIP vision encoder, a folder as transformers saves it or a single file."""
    hint: Name | None = None
    """The kind of map that a ControlNet follows or an annotator draws: `canny`, `depth`…; `face` of an IP-Adapter that
    was trained on faces."""
    normalize: Literal["imagenet", "centred"] | None = None
    """For a matting net: how its input is normalised; None: as most nets of its input size expect, see `matting.py`."""
    refuse_labels: tuple[str, ...] = ()
    """For a safety model that names what it sees: the labels to refuse; empty: those of `safety_classifier.py`."""
    threshold: float | None = Field(default=None, gt=0, le=1)
    """For such a model: the probability from which a label counts; None: 0.5."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    hidden: bool = False
    """Whether tasks cannot use it, though its file is in the folder."""
    bytes: int = Field(default=0, exclude=True)
    """Size of the weights on disk."""
    stamp: str = Field(default="", exclude=True)
    """A digest of the sizes and times of its files, its parts, `config` and `encoder`: it changes when they do."""
    shape: CheckpointShape = Field(default=CheckpointShape(), exclude=True)
    """Of a checkpoint: the sizes that its files tell."""

    @property
    def version(self) -> str:
        """Its name and the state of its files."""
        return f"{self.name} {self.stamp}"

    def loads_like(self, other: ModelEntry) -> bool:
        """Whether loading the other entry gives the same model: they differ in nothing but what is said about it."""
        return self == other.model_copy(update={name: getattr(self, name) for name in DESCRIPTIVE})

    @property
    def weights(self) -> Path:
        """The file that is hashed."""
        return weights_file(self.path)

    @property
    def is_toy(self) -> bool:
        """Whether it is a toy model, which stands in until there is a real one."""
        return self.name.startswith(TOY)
