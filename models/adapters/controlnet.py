"""ControlNets: what a map of edges, depths or poses adds to a denoiser, so that images follow the map.

Zhang, Rao and Agrawala, "Adding Conditional Control to Text-to-Image Diffusion Models", 2023.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import torch
from diffusers import ControlNetModel
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint
from torch import Tensor

from models.catalog.entry import ModelEntry
from models.compiled.forward_pass import PassRunner, flatten_inputs, run_net
from models.compiled.static_weights import StaticWeights
from models.conditioning import Conditioning
from models.files.weights_error import WeightsError
from models.loaded_model import TorchModel
from models.loading.fill import check_neighbours, fill
from models.loading.folder_files import read_json, weight_files
from models.loading.nets import empty_diffusers_net, refused_by_name
from models.loading.tensors import read_tensors
from models.patches.circular_padding import circular_padding
from models.patches.cross_attention_cache import cached_cross_attention, keys_and_values, text_layers
from models.weights import CONFIGS

CLASS = "ControlNetModel"
LDM_PREFIX = "control_model."
FIRST_LAYERS = frozenset({"time_embedding.linear_1.weight", "time_embed.0.weight"})


class ControlNet(TorchModel):
    """A loaded ControlNet. It works with every checkpoint of its family."""

    def __init__(self, entry: ModelEntry, net: ControlNetModel, dtype: torch.dtype) -> None:
        super().__init__(entry, net)
        self.dtype = dtype
        self.width = int(net.config.cross_attention_dim)
        """Width of the text embeddings, the same as that of the denoiser."""
        self.pooled = bool(net.config.global_pool_conditions)
        """Whether its residuals are means over the whole image. Such a net guides only rows with a prompt."""
        self.parts = len(net.controlnet_down_blocks) + 1
        """The number of tensors that `residuals` returns."""
        self._net = net
        self._text_layers = text_layers(net)
        self.static = StaticWeights(net)

    def to(self, device: torch.device) -> None:
        """Moves the weights; on CUDA in channels-last layout, which its tensor cores read without copying."""
        if device != self.device:
            self.static = StaticWeights(self._net)
        super().to(device)
        if device.type == "cuda":
            self._net.to(memory_format=torch.channels_last)

    def sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Height and width of each of the `residuals` for latents of this size; those that are pooled had it before."""
        sizes = [(height, width)]
        for block in self._net.down_blocks:
            sizes += [(height, width)] * len(block.resnets)
            if block.downsamplers is not None:
                height, width = (height + 1) // 2, (width + 1) // 2
                sizes.append((height, width))
        return [*sizes, (height, width)]

    @torch.inference_mode()
    def with_cached_kv(self, conditioning: Conditioning) -> Conditioning:
        """The conditioning, stacked over rows, with the keys and values of this net's cross-attention to it."""
        return replace(conditioning, cached_kv=tuple(keys_and_values(self._text_layers, conditioning.embeds)))

    @torch.inference_mode()
    def residuals(
        self,
        latents: Tensor,
        timesteps: Tensor,
        conditioning: Conditioning,
        hints: Tensor,
        *,
        circular: bool = False,
        runner: PassRunner | None = None,
    ) -> list[Tensor]:
        """The tensors to add to the skip connections of the denoiser, in their order, and last to its middle block.

        latents: [rows, channels, h, w], scaled as the denoiser gets them.
        timesteps: [rows].
        conditioning: stacked over rows.
        hints: control maps [rows, 3, height, width] in 0..1.
        circular: pad as if the left and right edges of the image were joined.
        runner: runs the pass, unless it is circular.
        """
        inputs = flatten_inputs(
            latents=latents.to(self.dtype),
            timesteps=timesteps,
            hints=hints.to(self.dtype),
            embeds=conditioning.embeds,
            extras=conditioning.extras,
            known=conditioning.cached_kv,
        )
        with circular_padding(self._net, circular), cached_cross_attention(self._text_layers, conditioning.cached_kv):
            if runner is not None:
                return list(runner(self._net, inputs, lambda: run_net(self._net, inputs)))
            return list(run_net(self._net, inputs))

    @torch.inference_mode()
    def outermost(self, latents: Tensor, hints: Tensor, *, circular: bool = False) -> Tensor:
        """The first of the `residuals`, for the outermost skip connection. It needs only the first layers of the net,
        and a shallow pass of the denoiser (`deep_cache.py`) uses no other."""
        net, hints = self._net, hints.to(self.dtype)
        if net.config.controlnet_conditioning_channel_order == "bgr":
            hints = hints.flip(1)
        with circular_padding(net, circular):
            features = net.conv_in(latents.to(self.dtype)) + net.controlnet_cond_embedding(hints)
            residual: Tensor = net.controlnet_down_blocks[0](features)
        return residual.mean((2, 3), keepdim=True) if self.pooled else residual


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> ControlNet:
    """Reads a diffusers folder, or a single file in the layout of diffusers or of the authors. Raises WeightsError."""
    net = ControlNet(entry, _read(entry, dtype), dtype)
    net.to(device)
    return net


def _read(entry: ModelEntry, dtype: torch.dtype) -> ControlNetModel:
    files = [entry.path] if entry.path.is_file() else weight_files(entry.path)
    net = empty_diffusers_net(ControlNetModel, _config(entry), entry.name)
    weights = read_tensors(*files, dtype=dtype)
    if not any(name.removeprefix(LDM_PREFIX) in FIRST_LAYERS for name in weights):
        raise WeightsError(
            f"{files[0].name} is not a ControlNet; give a complete one (no Control-LoRA, no adapter) in the layout of "
            "diffusers or of its authors"
        )
    check_neighbours(files[0].name, weights.keys())
    with refused_by_name(f"{files[0].name} cannot be read as a ControlNet"):
        converted: dict[str, Tensor | None] = convert_controlnet_checkpoint(weights, net.config)
    tensors = {name: tensor for name, tensor in converted.items() if tensor is not None}
    advice = f"correct `for: {entry.base}` in its entry, or set `config` to the folder of its config.json"
    fill(net, tensors, dtype, files[0].name, advice=advice)
    return net


def _config(entry: ModelEntry) -> dict[str, Any]:
    """The config of the net; for a file without one, what the denoiser of its family has in common with it."""
    folder = entry.path if entry.path.is_dir() else entry.config
    file = folder / "config.json" if folder else CONFIGS / str(entry.base) / "unet" / "config.json"
    config = read_json(file)
    if config.get("_class_name", CLASS) not in (CLASS, "UNet2DConditionModel"):
        raise WeightsError(f"{file} describes a {config['_class_name']}; only a {CLASS} can be used here")
    accepted = inspect.signature(ControlNetModel.__init__).parameters
    return {name: value for name, value in config.items() if name in accepted}
