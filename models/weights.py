"""Reads the parts of a checkpoint: from a diffusers folder, or from one file in the layout of latent diffusion.

Nothing is fetched from the network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from models.catalog.entry import ModelEntry

CONFIGS = Path(__file__).parent / "configs"
FIRST_LAYER = "model.diffusion_model.input_blocks.0.0.weight"

ClipTextModel: TypeAlias = CLIPTextModel | CLIPTextModelWithProjection


class WeightsError(Exception):
    """A part of a model is missing or does not fit; the message says which part and what to do."""


class Weights(Protocol):
    """The parts of one checkpoint. Each call reads a part again, onto the CPU. `index` counts text encoders from 0."""

    def unet(self, dtype: torch.dtype) -> UNet2DConditionModel: ...

    def vae(self, dtype: torch.dtype) -> AutoencoderKL: ...

    def text_encoder(self, dtype: torch.dtype, index: int) -> ClipTextModel: ...

    def tokenizer(self, index: int) -> CLIPTokenizer: ...

    @property
    def scheduler_config(self) -> Mapping[str, Any]: ...


def open_weights(entry: ModelEntry) -> Weights:
    """The weights of an entry; no tensor is read yet."""
    transformers_logging.disable_progress_bar()
    return SingleFile(entry) if entry.path.is_file() else ModelFolder(entry.path)


class ModelFolder:
    """A diffusers folder. Plain safetensors are preferred to the `fp16` variant."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def unet(self, dtype: torch.dtype) -> UNet2DConditionModel:
        return UNet2DConditionModel.from_pretrained(**self._part("unet", dtype))

    def vae(self, dtype: torch.dtype) -> AutoencoderKL:
        return AutoencoderKL.from_pretrained(**self._part("vae", dtype))

    def text_encoder(self, dtype: torch.dtype, index: int) -> ClipTextModel:
        model_class = CLIPTextModelWithProjection if index else CLIPTextModel
        return model_class.from_pretrained(**self._part(_numbered("text_encoder", index), dtype))

    def tokenizer(self, index: int) -> CLIPTokenizer:
        return read_tokenizer(self._path / _numbered("tokenizer", index))

    @cached_property
    def scheduler_config(self) -> Mapping[str, Any]:
        return read_scheduler_config(self._path)

    def _part(self, name: str, dtype: torch.dtype) -> dict[str, Any]:
        files = [file.name for file in (self._path / name).glob("*.safetensors")]
        if not files:
            raise WeightsError(f"{self._path / name} has no .safetensors weights; convert or copy them there")
        return {
            "pretrained_model_name_or_path": self._path,
            "subfolder": name,
            "torch_dtype": dtype,
            "variant": "fp16" if all(".fp16." in file for file in files) else None,
            "use_safetensors": True,
            "local_files_only": True,
        }


class SingleFile:
    """One `.safetensors` file. Its configs are those of the entry's `config`, else those of the family."""

    def __init__(self, entry: ModelEntry) -> None:
        self._file = entry.path
        self._config = entry.config or CONFIGS / entry.family

    def unet(self, dtype: torch.dtype) -> UNet2DConditionModel:
        """The first layer tells the input channels: an inpainting checkpoint has more than the family's config."""
        first = self._tensors.get(FIRST_LAYER)
        channels = {} if first is None else {"in_channels": first.shape[1]}
        return UNet2DConditionModel.from_single_file(**self._part("unet", dtype), **channels)

    def vae(self, dtype: torch.dtype) -> AutoencoderKL:
        return AutoencoderKL.from_single_file(**self._part("vae", dtype))

    def text_encoder(self, dtype: torch.dtype, index: int) -> ClipTextModel:
        return create_diffusers_clip_model_from_ldm(
            CLIPTextModelWithProjection if index else CLIPTextModel,
            dict(self._tensors),
            subfolder=_numbered("text_encoder", index),
            config=str(self._config),
            torch_dtype=dtype,
            local_files_only=True,
        )

    def tokenizer(self, index: int) -> CLIPTokenizer:
        name = _numbered("tokenizer", index)
        for folder in (self._config / name, self._file.parent / name):
            if folder.is_dir():
                return read_tokenizer(folder)
        raise WeightsError(
            f"{self._file.name} needs a tokenizer, which single files do not contain; copy the `{name}` folder of any "
            f"diffusers model of this family to {self._file.parent / name}"
        )

    @cached_property
    def scheduler_config(self) -> Mapping[str, Any]:
        return read_scheduler_config(self._config)

    @cached_property
    def _tensors(self) -> dict[str, torch.Tensor]:
        return load_file(self._file)

    def _part(self, name: str, dtype: torch.dtype) -> dict[str, Any]:
        return {
            "pretrained_model_link_or_path_or_dict": dict(self._tensors),
            "config": str(self._config),
            "subfolder": name,
            "torch_dtype": dtype,
            "local_files_only": True,
        }


def read_tokenizer(folder: Path) -> CLIPTokenizer:
    """Raises WeightsError."""
    if not folder.is_dir():
        raise WeightsError(f"{folder} does not exist; copy the tokenizer of the original model there")
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def read_scheduler_config(folder: Path) -> Mapping[str, Any]:
    """The scheduler config of a diffusers folder. Raises WeightsError."""
    file = folder / "scheduler" / "scheduler_config.json"
    try:
        config: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"cannot read {file} ({error}); copy it from the original model") from error
    return config


def _numbered(name: str, index: int) -> str:
    return f"{name}_{index + 1}" if index else name
