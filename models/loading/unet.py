"""Reads the UNet of a single file, a whole checkpoint or the UNet alone, in either layout of names."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

from models.files.unet_keys import FIRST_LAYERS, LDM_PREFIX, find_unet, unet_names
from models.files.weights_error import WeightsError
from models.loading.fill import check_neighbours, fill
from models.loading.folder_files import read_json
from models.loading.nets import empty_diffusers_net, refused_by_name
from models.loading.tensors import open_header, read_tensors


def read_unet(file: Path, configs: Path, dtype: torch.dtype) -> UNet2DConditionModel:
    """On the CPU. Averaged weights are read if the file has no others. Raises WeightsError.

    `configs` is a folder with a config in `unet/`. The header tells the input channels: an inpainting checkpoint has
    more than the family's config.
    """
    header = open_header(file)
    unet = find_unet(header)
    prefix = LDM_PREFIX if unet is None else unet.prefix
    names = unet_names(header.tensors, prefix)
    if not names:
        raise WeightsError(
            f"{file.name} has no weights {LDM_PREFIX}…; give a complete checkpoint in the layout of latent diffusion, "
            "or correct the family of its entry"
        )
    config = read_json(configs / "unet" / "config.json")
    if unet is not None:
        config["in_channels"] = unet.in_channels
    source = f"{file.name}, {UNet2DConditionModel.__name__}"
    read = read_tensors(file, dtype=dtype, keep=lambda key: key in names)
    tensors = {names[key]: tensor for key, tensor in read.items()}
    check_neighbours(file.name, tensors.keys())
    net = empty_diffusers_net(UNet2DConditionModel, config, str(configs))
    if FIRST_LAYERS[0] in tensors:
        with refused_by_name(f"{source}: its weights cannot be read"):
            named = {LDM_PREFIX + name: tensor for name, tensor in tensors.items()}
            tensors = convert_ldm_unet_checkpoint(named, config=config)
    fill(net, tensors, dtype, source)
    return net
