"""What the files of a checkpoint tell before it is loaded: sizes on which a task's parameters depend. Torch-free."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from models.files.checkpoint_keys import INPAINTING_CHANNELS, missing_parts
from models.files.safetensors_header import HeaderError, read_header
from models.files.unet_keys import find_unet
from models.plain_files import read_object

CONFIGS = Path(__file__).parents[1] / "configs"
DEFAULT_LAYERS, DEFAULT_WIDTH = 12, 512
"""Those of transformers' CLIPTextConfig, which a saved config may leave out."""


class TextEncoderShape(NamedTuple):
    """The size of one text encoder."""

    layers: int
    width: int
    """Numbers in each of its embedding vectors."""


class CheckpointShape(NamedTuple):
    """Sizes of a checkpoint. What cannot be read is left out: loading the checkpoint tells what is wrong with it."""

    text_encoders: tuple[TextEncoderShape, ...] = ()
    in_channels: int | None = None
    """Of the denoiser."""
    lacks: tuple[str, ...] = ()
    """The fields of an entry that name the parts which a single file lacks, such as `vae`."""

    @property
    def only_inpaints(self) -> bool:
        """Whether it can only paint inside a mask."""
        return self.in_channels == INPAINTING_CHANNELS


def read_shape(path: Path, config: Path | None, family: str) -> CheckpointShape:
    """The shape of the checkpoint at `path`, a folder or a single file; for a file see `ModelEntry.config`."""
    folder = path if path.is_dir() else config or CONFIGS / family
    configs = [_read_config(folder / name / "config.json") for name in ("text_encoder", "text_encoder_2")]
    encoders = tuple(
        TextEncoderShape(each.get("num_hidden_layers", DEFAULT_LAYERS), each.get("hidden_size", DEFAULT_WIDTH))
        for each in configs
        if each
    )
    if path.is_dir():
        return CheckpointShape(encoders, _read_config(folder / "unet" / "config.json").get("in_channels"))
    return CheckpointShape(encoders, *_read_file(path, family))


def _read_config(file: Path) -> dict[str, int]:
    """The whole numbers of a config; none if it cannot be read."""
    return {name: value for name, value in read_object(file).items() if type(value) is int}


def _read_file(file: Path, family: str) -> tuple[int | None, tuple[str, ...]]:
    """The channels of the denoiser, and the parts that the file lacks."""
    try:
        status = file.stat()
    except OSError:
        return None, ()
    return _read_once(file, family, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _read_once(file: Path, family: str, size: int, mtime_ns: int) -> tuple[int | None, tuple[str, ...]]:
    """A folder is read again and again, and the header of a checkpoint has thousands of keys."""
    try:
        header = read_header(file)
        unet = find_unet(header)
    except (HeaderError, OSError):
        return None, ()
    if unet is None:
        return None, ()
    return unet.in_channels, missing_parts(header, family) if unet.family == family else ()
