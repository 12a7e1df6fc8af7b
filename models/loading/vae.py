"""Reads a VAE: a folder of diffusers, or a single file, alone or in a checkpoint, in either layout of names."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

from models.files.vae_keys import PREFIXES, find_vae
from models.files.weights_error import WeightsError
from models.loading.fill import check_neighbours, fill
from models.loading.folder_files import read_json
from models.loading.nets import empty_diffusers_net, read_diffusers_net, refused_by_name
from models.loading.tensors import open_header, read_tensors


def read_vae(path: Path, configs: Path, dtype: torch.dtype) -> AutoencoderKL:
    """On the CPU. Raises WeightsError.

    A folder is that of the VAE, or of a model with the VAE in `vae/`. `configs` is a folder with a config in `vae/`,
    which a single file gets.
    """
    if path.is_dir():
        folder = path / "vae"
        return read_diffusers_net(AutoencoderKL, folder if folder.is_dir() or _is_model(path) else path, dtype)
    header = open_header(path)
    vae = find_vae(header)
    source = f"{path.name}, {AutoencoderKL.__name__}"
    if vae is None:
        broken = any(name.startswith(PREFIXES[0]) for name in header.tensors)
        raise WeightsError(
            f"{source} is incomplete, it lacks decoder.conv_in or encoder.conv_in; copy or download the complete file"
            if broken
            else f"{path.name} has no weights {PREFIXES[0]}…, so it has no VAE; give a complete checkpoint, or name a "
            "VAE in `vae:` of its entry"
        )
    read = read_tensors(path, dtype=dtype, keep=vae.holds)
    check_neighbours(path.name, read.keys())
    tensors = {name.removeprefix(vae.prefix): tensor for name, tensor in read.items()}
    config = read_json(configs / "vae" / "config.json")
    net = empty_diffusers_net(AutoencoderKL, config, str(configs))
    if vae.in_diffusers_layout:
        net._fix_state_dict_keys_on_load(tensors)  # those saved before 2023 name their attention differently
    else:
        with refused_by_name(f"{source}: its weights cannot be read"):
            tensors = convert_ldm_vae_checkpoint(tensors, config)
    fill(net, tensors, dtype, source)
    return net


def _is_model(folder: Path) -> bool:
    return (folder / "model_index.json").is_file()
