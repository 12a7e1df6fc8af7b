"""Reads the parts of a checkpoint: from a diffusers folder, or from one file in the layout of latent diffusion.

Nothing is fetched from the network.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

import torch
from diffusers import AutoencoderKL, DDIMScheduler, ModelMixin, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    create_diffusers_clip_model_from_ldm,
)
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from models.catalog.entry import ModelEntry
from models.files.safetensors_header import SafetensorsHeader
from models.files.unet_keys import find_unet
from models.files.weights_error import WeightsError
from models.loading.clip_vocabulary import END, ZERO, clip_tokenizer
from models.loading.fill import check_neighbours, check_whole, fill
from models.loading.folder_files import read_json
from models.loading.nets import empty_diffusers_net, read_diffusers_net, read_transformers_net, refused_by_name
from models.loading.tensors import open_header, read_tensors
from models.loading.tokenizer import read_tokenizer

CONFIGS = Path(__file__).parent / "configs"
UNET, VAE, EMA = "model.diffusion_model.", "first_stage_model.", "model_ema."
"""How the names of the parts of a single file begin; all others are those of text encoders."""
PREDICTIONS = ("epsilon", "v_prediction")
V_PREDICTION, ZERO_SNR = "v_pred", "ztsnr"
"""Tensors that say by being there how a single file was trained (Lin et al., "Common Diffusion Noise Schedules and
Sample Steps are Flawed", 2023)."""

ClipTextModel: TypeAlias = CLIPTextModel | CLIPTextModelWithProjection


M = TypeVar("M", bound=ModelMixin)


class Weights(Protocol):
    """The parts of one checkpoint. Each call reads a part again, onto the CPU. `index` counts text encoders from 0."""

    def unet(self, dtype: torch.dtype) -> UNet2DConditionModel: ...

    def vae(self, dtype: torch.dtype) -> AutoencoderKL: ...

    def text_encoder(self, dtype: torch.dtype, index: int) -> ClipTextModel: ...

    def tokenizer(self, index: int) -> CLIPTokenizer: ...

    @property
    def scheduler_config(self) -> Mapping[str, Any]: ...


def open_weights(entry: ModelEntry) -> Weights:
    """The weights of an entry; no tensor is read yet. Raises WeightsError if its file or folder is gone."""
    if not entry.path.exists():
        raise WeightsError(f"{entry.path} does not exist any more; put the model of {entry.name} back there")
    return SingleFile(entry) if entry.path.is_file() else ModelFolder(entry.path)


class ModelFolder:
    """A diffusers folder. Plain safetensors are preferred to the `fp16` variant."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def unet(self, dtype: torch.dtype) -> UNet2DConditionModel:
        return read_diffusers_net(UNet2DConditionModel, self._path / "unet", dtype)

    def vae(self, dtype: torch.dtype) -> AutoencoderKL:
        return read_diffusers_net(AutoencoderKL, self._path / "vae", dtype)

    def text_encoder(self, dtype: torch.dtype, index: int) -> ClipTextModel:
        model_class = CLIPTextModelWithProjection if index else CLIPTextModel
        return read_transformers_net(model_class, self._path / _numbered("text_encoder", index), dtype)

    def tokenizer(self, index: int) -> CLIPTokenizer:
        return read_tokenizer(CLIPTokenizer, self._path / _numbered("tokenizer", index))

    @cached_property
    def scheduler_config(self) -> Mapping[str, Any]:
        return read_scheduler_config(self._path)


class SingleFile:
    """One `.safetensors` file. Its configs are those of the entry's `config`, else those of the family."""

    def __init__(self, entry: ModelEntry) -> None:
        self._file = entry.path
        self._family = entry.family
        self._config = entry.config or CONFIGS / entry.family

    def unet(self, dtype: torch.dtype) -> UNet2DConditionModel:
        """The header tells the input channels: an inpainting checkpoint has more than the family's config. Some files
        have the UNet alone, with names that begin with no prefix."""
        config = read_json(self._config / "unet" / "config.json")
        keys = find_unet(self._header)
        if keys is not None:
            config["in_channels"] = keys.in_channels
        if keys is not None and keys.prefix != UNET:
            raise WeightsError(
                f"{self._file.name} has a UNet alone, without text encoder and autoencoder; give a complete checkpoint"
            )
        return self._net(UNet2DConditionModel, config, UNET, convert_ldm_unet_checkpoint, dtype)

    def vae(self, dtype: torch.dtype) -> AutoencoderKL:
        config = read_json(self._config / "vae" / "config.json")
        return self._net(AutoencoderKL, config, VAE, convert_ldm_vae_checkpoint, dtype)

    def text_encoder(self, dtype: torch.dtype, index: int) -> ClipTextModel:
        net_class = CLIPTextModelWithProjection if index else CLIPTextModel
        source = f"{self._file.name}, text encoder {index + 1}"
        tensors = self._read(lambda name: not name.startswith((UNET, VAE, EMA)), dtype)
        with refused_by_name(f"{source}: its weights cannot be read"):
            net: ClipTextModel = create_diffusers_clip_model_from_ldm(
                net_class,
                tensors,
                subfolder=_numbered("text_encoder", index),
                config=str(self._config),
                torch_dtype=dtype,
                local_files_only=True,
            )
        check_whole(source, missing=(name for name, weight in net.named_parameters() if weight.is_meta))
        return net

    def tokenizer(self, index: int) -> CLIPTokenizer:
        """CLIP's, unless a folder beside the file or in `config` has another. Encoders of OpenCLIP pad with zeros."""
        name = _numbered("tokenizer", index)
        for folder in (self._config / name, self._file.parent / name):
            if folder.is_dir():
                return read_tokenizer(CLIPTokenizer, folder)
        return clip_tokenizer(ZERO if index or self._family == "sd2" else END)

    @cached_property
    def scheduler_config(self) -> Mapping[str, Any]:
        """That of the configs, corrected by what the file says of its training."""
        config = dict(read_scheduler_config(self._config))
        if V_PREDICTION in self._header.tensors:
            config["prediction_type"] = "v_prediction"
        if ZERO_SNR in self._header.tensors:
            config["rescale_betas_zero_snr"] = True
        return config

    @cached_property
    def _header(self) -> SafetensorsHeader:
        return open_header(self._file)

    def _net(
        self,
        net_class: type[M],
        config: Mapping[str, Any],
        prefix: str,
        convert: Callable[..., dict[str, Tensor]],
        dtype: torch.dtype,
    ) -> M:
        """The net whose weights have names with this prefix. `convert` gives them their names in diffusers."""
        source = f"{self._file.name}, {net_class.__name__}"
        tensors = self._read(lambda name: name.startswith(prefix), dtype)
        if not tensors:
            raise WeightsError(
                f"{self._file.name} has no weights {prefix}…; give a complete checkpoint in the layout of latent "
                "diffusion, or correct the family of its entry"
            )
        net = empty_diffusers_net(net_class, config, str(self._config))
        with refused_by_name(f"{source}: its weights cannot be read"):
            converted = convert(tensors, config=dict(config))
        fill(net, converted, dtype, source)
        return net

    def _read(self, keep: Callable[[str], bool], dtype: torch.dtype) -> dict[str, Tensor]:
        tensors = read_tensors(self._file, dtype=dtype, keep=keep)
        check_neighbours(self._file.name, tensors.keys())
        return tensors


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


def _numbered(name: str, index: int) -> str:
    return f"{name}_{index + 1}" if index else name
