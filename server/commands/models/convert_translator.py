"""Converts a translator of transformers (Marian) to CTranslate2, for which the api needs no torch."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path

from models.files.weights_error import WeightsError, one_line
from models.kinds.layout import SOURCE_WORDS, TARGET_WORDS
from models.kinds.translator import UNCONVERTED

QUANTIZATIONS = ("int8", "float32")


def convert_translator(folder: Path, target: Path, quantization: str = "int8") -> None:
    """Writes the folder `target`, which must not exist yet. Raises WeightsError."""
    _check(folder)
    if target.exists():
        raise WeightsError(f"{target} exists already and is not overwritten; move it away first")
    if not target.absolute().parent.is_dir():
        raise WeightsError(f"{target.parent} is no folder; create it first")
    try:
        from ctranslate2.converters import TransformersConverter
    except ImportError as error:
        raise WeightsError("the conversion needs hua[device] and hua[translate]; install both here") from error
    # A scan of the models folder does not see hidden folders, so it never finds half a model.
    draft = target.absolute().parent / f".{target.name}.{os.getpid()}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a package is recommended that splits the words of training texts
            converter = TransformersConverter(str(folder.absolute()), copy_files=[SOURCE_WORDS, TARGET_WORDS])
            converter.convert(str(draft), quantization=quantization)
        draft.rename(target)
    except Exception as error:
        raise WeightsError(f"{folder} cannot be converted ({one_line(error)}); copy the folder again") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _check(folder: Path) -> None:
    """Raises WeightsError unless it is a Marian folder whose weights are no pickle."""
    missing = [
        name for name in ("config.json", "vocab.json", SOURCE_WORDS, TARGET_WORDS) if not (folder / name).is_file()
    ]
    if missing:
        raise WeightsError(f"{folder} has no {', '.join(missing)}; give the folder of a Marian model")
    try:
        classes = json.loads((folder / "config.json").read_bytes())["architectures"]
    except (ValueError, LookupError, TypeError) as error:
        raise WeightsError(f"{folder / 'config.json'} does not name the class of the model; copy it again") from error
    if UNCONVERTED not in classes:
        raise WeightsError(f"{folder} holds a {', '.join(map(str, classes))}; only a {UNCONVERTED} can be converted")
    if not any(folder.glob("*.safetensors")):
        raise WeightsError(
            f"{folder} has no .safetensors weights; convert its pickle first: hua models convert "
            f"{folder / 'pytorch_model.bin'}, and rename the result to model.safetensors"
        )
