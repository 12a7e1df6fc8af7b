"""Which files a model consists of: a single file, a folder, or either."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.files.ncnn_param import PARAM, weights_file
from models.plain_files import is_file

TRANSLATOR_WEIGHTS = "model.bin"
SOURCE_WORDS, TARGET_WORDS = "source.spm", "target.spm"
"""The vocabularies of a translator, of SentencePiece."""


class LayoutError(Exception):
    """The path of a model has no weights of the expected layout; the message says what to put there."""

    code = "bad_model"


class Layout(Protocol):
    def weigh(self, path: Path) -> int:
        """The size of the weights in bytes. Raises LayoutError."""
        ...


@dataclass(frozen=True, slots=True)
class SingleFile:
    suffix: str = ".safetensors"

    def weigh(self, path: Path) -> int:
        if not path.is_file():
            what = "a folder" if path.is_dir() else "no regular file"
            raise LayoutError(f"{path} is {what}; give one {self.suffix} file")
        if path.suffix != self.suffix:
            raise LayoutError(f"{path.name} is not a model file; give a {self.suffix} file")
        return path.stat().st_size


@dataclass(frozen=True, slots=True)
class FileOrNcnnPair:
    """A single `.safetensors` file, or the text of an ncnn net with its weights beside it."""

    def weigh(self, path: Path) -> int:
        if path.suffix.lower() != PARAM or not path.is_file():
            return SingleFile().weigh(path)
        weights = weights_file(path)
        if not weights.is_file():
            raise LayoutError(f"{path.name} is half of an ncnn model: {weights.name} is missing; put it beside it")
        return weights.stat().st_size


@dataclass(frozen=True, slots=True)
class FileOrOnnx:
    """A single `.safetensors` file, or a single `.onnx` file."""

    def weigh(self, path: Path) -> int:
        return SingleFile(".onnx" if path.suffix == ".onnx" else ".safetensors").weigh(path)


@dataclass(frozen=True, slots=True)
class FolderOrFile:
    """A folder of diffusers, or a single `.safetensors` file."""

    def weigh(self, path: Path) -> int:
        advice = "give a diffusers folder or a .safetensors file"
        if path.is_file():
            if path.suffix != ".safetensors":
                raise LayoutError(f"{path.name} is not a model file; {advice}")
            return path.stat().st_size
        if not any((path / name).is_file() for name in ("model_index.json", "config.json")):
            raise LayoutError(f"{path} has no model_index.json; {advice}")
        return sum(weights.stat().st_size for weights in path.glob("**/*.safetensors"))


@dataclass(frozen=True, slots=True)
class PretrainedFolder:
    """A folder with `config.json` and weights, as `save_pretrained` writes it."""

    def weigh(self, path: Path) -> int:
        weights = [file.stat().st_size for file in path.glob("*.safetensors")]
        if not weights or not (path / "config.json").is_file():
            raise LayoutError(
                f"{path} is not a folder with a config.json and .safetensors weights; give the folder that "
                "save_pretrained writes for the model and for its tokenizer or image processor"
            )
        return sum(weights)


@dataclass(frozen=True, slots=True)
class TranslatorFolder:
    """A folder of CTranslate2 with its vocabularies, as `hua models convert-translator` writes it."""

    def weigh(self, path: Path) -> int:
        if not is_translator(path):
            raise LayoutError(
                f"{path} is not a folder with {TRANSLATOR_WEIGHTS}, {SOURCE_WORDS} and {TARGET_WORDS}; give the folder "
                "that `hua models convert-translator` writes"
            )
        return (path / TRANSLATOR_WEIGHTS).stat().st_size


def is_translator(folder: Path) -> bool:
    """Whether it is a folder of a translator."""
    return all(is_file(folder / name) for name in (TRANSLATOR_WEIGHTS, SOURCE_WORDS, TARGET_WORDS))


@dataclass(frozen=True, slots=True)
class PretrainedFolderOrOnnx:
    """A folder as `save_pretrained` writes it, or a single `.onnx` file."""

    def weigh(self, path: Path) -> int:
        return SingleFile(".onnx").weigh(path) if path.is_file() else PretrainedFolder().weigh(path)
