"""The parts of a checkpoint: from a diffusers folder, from one file, or from the other files that its entry names.

Nothing is fetched from the network.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTokenizer

from models.catalog.entry import ModelEntry
from models.files.checkpoint_keys import TEXT_ENCODERS
from models.files.weights_error import WeightsError
from models.loading.clip_tokenizer import clip_tokenizer
from models.loading.clip_vocabulary import END, ZERO
from models.loading.folder_files import read_json
from models.loading.nets import read_diffusers_net, refused_by_name
from models.loading.tensors import open_header
from models.loading.text_encoder import ClipTextModel, read_text_encoder
from models.loading.tokenizer import read_tokenizer
from models.loading.unet import read_unet
from models.loading.vae import read_vae

CONFIGS = Path(__file__).parent / "configs"
PREDICTIONS = ("epsilon", "v_prediction")
V_PREDICTION, ZERO_SNR = "v_pred", "ztsnr"
"""Tensors that say by being there how a single file was trained (Lin et al., "Common Diffusion Noise Schedules and
Sample Steps are Flawed", 2023)."""
TOKENIZERS = ("tokenizer", "tokenizer_2")


class Weights(Protocol):
    """The parts of one checkpoint. Each call reads a part again, onto the CPU. `index` counts text encoders from 0."""

    def unet(self, dtype: torch.dtype) -> UNet2DConditionModel: ...

    def vae(self, dtype: torch.dtype) -> AutoencoderKL: ...

    def text_encoder(self, dtype: torch.dtype, index: int) -> ClipTextModel: ...

    def tokenizer(self, index: int) -> CLIPTokenizer: ...

    @property
    def scheduler_config(self) -> Mapping[str, Any]: ...

    @property
    def vae_config(self) -> Mapping[str, Any]:
        """Of the VAE that the denoiser was trained with, which decides the scale of its latents."""
        ...


def open_weights(entry: ModelEntry) -> Weights:
    """The weights of an entry; no tensor is read yet. Raises WeightsError if its file or folder is gone."""
    if not entry.path.exists():
        raise WeightsError(f"{entry.path} does not exist any more; put the model of {entry.name} back there")
    return SingleFile(entry) if entry.path.is_file() else ModelFolder(entry)


class ModelFolder:
    """A diffusers folder. Plain safetensors are preferred to the `fp16` variant."""

    def __init__(self, entry: ModelEntry) -> None:
        self._entry = entry
        self._path = entry.path

    def unet(self, dtype: torch.dtype) -> UNet2DConditionModel:
        return read_diffusers_net(UNet2DConditionModel, self._path / "unet", dtype)

    def vae(self, dtype: torch.dtype) -> AutoencoderKL:
        return read_vae(self._entry.vae or self._path / "vae", CONFIGS / self._entry.family, dtype)

    def text_encoder(self, dtype: torch.dtype, index: int) -> ClipTextModel:
        path = _text_encoder_path(self._entry, index) or self._path / TEXT_ENCODERS[index]
        return read_text_encoder(path, CONFIGS / self._entry.family, dtype, index)

    def tokenizer(self, index: int) -> CLIPTokenizer:
        return read_tokenizer(CLIPTokenizer, self._path / TOKENIZERS[index])

    @cached_property
    def scheduler_config(self) -> Mapping[str, Any]:
        return read_scheduler_config(self._path)

    @property
    def vae_config(self) -> Mapping[str, Any]:
        return _vae_config(self._path, CONFIGS / self._entry.family)


class SingleFile:
    """One `.safetensors` file. Its configs are those of the entry's `config`, else those of the family."""

    def __init__(self, entry: ModelEntry) -> None:
        self._entry = entry
        self._file = entry.path
        self._config = entry.config or CONFIGS / entry.family

    def unet(self, dtype: torch.dtype) -> UNet2DConditionModel:
        return read_unet(self._file, self._config, dtype)

    def vae(self, dtype: torch.dtype) -> AutoencoderKL:
        return read_vae(self._entry.vae or self._file, self._config, dtype)

    def text_encoder(self, dtype: torch.dtype, index: int) -> ClipTextModel:
        return read_text_encoder(_text_encoder_path(self._entry, index) or self._file, self._config, dtype, index)

    def tokenizer(self, index: int) -> CLIPTokenizer:
        """CLIP's, unless a folder beside its encoder, in `config` or beside the file has another. Encoders of OpenCLIP
        pad with zeros."""
        encoder = _text_encoder_path(self._entry, index)
        beside_encoder = () if encoder is None else (encoder, encoder.parent)
        for folder in (*beside_encoder, self._config, self._file.parent):
            if (folder / TOKENIZERS[index]).is_dir():
                return read_tokenizer(CLIPTokenizer, folder / TOKENIZERS[index])
        return clip_tokenizer(ZERO if index or self._entry.family == "sd2" else END)

    @cached_property
    def scheduler_config(self) -> Mapping[str, Any]:
        """That of the configs, corrected by what the file says of its training."""
        config = dict(read_scheduler_config(self._config))
        tensors = open_header(self._file).tensors
        if V_PREDICTION in tensors:
            config["prediction_type"] = "v_prediction"
        if ZERO_SNR in tensors:
            config["rescale_betas_zero_snr"] = True
        return config

    @property
    def vae_config(self) -> Mapping[str, Any]:
        return _vae_config(self._config, CONFIGS / self._entry.family)


def read_scheduler_config(folder: Path) -> Mapping[str, Any]:
    """The scheduler config of a diffusers folder; one that no scheduler can use is refused. Raises WeightsError."""
    file = folder / "scheduler" / "scheduler_config.json"
    config = read_json(file)
    accepted = inspect.signature(DDIMScheduler.__init__).parameters
    with refused_by_name(f"{file} describes no noise schedule"):
        DDIMScheduler(**{name: value for name, value in config.items() if name in accepted}).set_timesteps(2)
    if (prediction := config.get("prediction_type", PREDICTIONS[0])) not in PREDICTIONS:
        raise WeightsError(
            f"{file} has the prediction_type {prediction!r}, which is not supported; only {' and '.join(PREDICTIONS)} "
            "are"
        )
    return config


def _vae_config(*folders: Path) -> Mapping[str, Any]:
    """The first that one of these folders has."""
    files = [folder / "vae" / "config.json" for folder in folders]
    return read_json(next((file for file in files if file.is_file()), files[-1]))


def _text_encoder_path(entry: ModelEntry, index: int) -> Path | None:
    return (entry.text_encoder, entry.text_encoder_2)[index]
