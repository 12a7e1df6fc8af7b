"""ControlNets: what a map of edges, depths or poses adds to a denoiser, so that pictures follow the map.

Zhang, Rao and Agrawala, "Adding Conditional Control to Text-to-Image Diffusion Models", 2023.
"""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint
from safetensors.torch import load_file
from torch import Tensor

from models.catalog.entry import ModelEntry
from models.compiled.forward_pass import PassRunner, flatten_inputs, run_net
from models.compiled.static_weights import StaticWeights
from models.conditioning import Conditioning
from models.patches.circular_padding import circular_padding
from models.patches.cross_attention_cache import cached_cross_attention, keys_and_values, text_layers
from models.weights import CONFIGS, WeightsError

CLASS = "ControlNetModel"
LDM_PREFIX = "control_model."
FIRST_LAYERS = frozenset({"time_embedding.linear_1.weight", "time_embed.0.weight"})


class ControlNet:
    """A loaded ControlNet. It guides every checkpoint of its architecture, and sees the latents of none before."""

    def __init__(self, entry: ModelEntry, net: ControlNetModel, dtype: torch.dtype) -> None:
        self.name = entry.name
        self.family: str = entry.family
        self.dtype = dtype
        self.device = torch.device("cpu")
        self.width = int(net.config.cross_attention_dim)
        """Of the text that it wants to be shown, which is what its checkpoints' denoisers are shown."""
        self.pooled = bool(net.config.global_pool_conditions)
        """Whether it says one thing of the whole picture; it then guides only what has a prompt (diffusers)."""
        self.parts = len(net.controlnet_down_blocks) + 1
        """How many tensors `residuals` answers."""
        self._net = net.eval().requires_grad_(False)
        self._text_layers = text_layers(net)
        self.static = StaticWeights(net)

    @property
    def bytes(self) -> int:
        """What the weights take, wherever they are."""
        return sum(tensor.nbytes for tensor in (*self._net.parameters(), *self._net.buffers()))

    def to(self, device: torch.device) -> None:
        if device != self.device:
            self.static = StaticWeights(self._net)
        self._net.to(device)
        if device.type == "cuda":
            self._net.to(memory_format=torch.channels_last)
        self.device = device

    @torch.inference_mode()
    def with_cached_kv(self, conditioning: Conditioning) -> Conditioning:
        """The same, stacked over rows, with what this net knows of it at every step."""
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
        """What is to be added to the denoiser's skip connections, in their order, and last to its middle block.

        `latents` [rows, channels, h, w] are scaled as the denoiser gets them, `hints` [rows, 3, height, width] are in
        0..1; timesteps are one per row, conditioning is stacked over rows. `runner` runs the pass, unless
        it is circular.
        """
        shown = {"latents": latents.to(self.dtype), "timesteps": timesteps, "hints": hints.to(self.dtype)}
        given = flatten_inputs(
            **shown, embeds=conditioning.embeds, extras=conditioning.extras, known=conditioning.cached_kv
        )
        with circular_padding(self._net, circular), cached_cross_attention(self._text_layers, conditioning.cached_kv):
            if runner is not None:
                return list(runner(self._net, given, lambda: run_net(self._net, given)))
            return list(run_net(self._net, given))

    @torch.inference_mode()
    def outermost(self, latents: Tensor, hints: Tensor, *, circular: bool = False) -> Tensor:
        """The first of the `residuals`, for the skip connection nearest to the latents: it comes before all the layers
        of the net, and a pass that stops short of the denoiser's deep ones feels no other."""
        net, hints = self._net, hints.to(self.dtype)
        if net.config.controlnet_conditioning_channel_order == "bgr":
            hints = hints.flip(1)
        with circular_padding(net, circular):
            seen = net.conv_in(latents.to(self.dtype)) + net.controlnet_cond_embedding(hints)
            residual: Tensor = net.controlnet_down_blocks[0](seen)
        return residual.mean((2, 3), keepdim=True) if self.pooled else residual


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> ControlNet:
    """A diffusers folder, or a single file in the lay-out of diffusers or of the authors. Raises WeightsError."""
    net = ControlNet(entry, _read(entry, dtype), dtype)
    net.to(device)
    return net


def _read(entry: ModelEntry, dtype: torch.dtype) -> ControlNetModel:
    file = entry.path if entry.path.is_file() else weights_in(entry.path)
    with torch.device("meta"):
        net = ControlNetModel.from_config(_config(entry))
    given = load_file(file)
    if not any(name.removeprefix(LDM_PREFIX) in FIRST_LAYERS for name in given):
        raise WeightsError(
            f"{file.name} holds no ControlNet; give a whole one (no Control-LoRA, no adapter) in the lay-out of "
            "diffusers or of its authors"
        )
    converted: dict[str, Tensor | None] = convert_controlnet_checkpoint(given, net.config)
    tensors = {name: tensor.to(dtype) for name, tensor in converted.items() if tensor is not None}
    try:
        net.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        raise WeightsError(
            f"{file.name} does not fit a ControlNet for {entry.base}; correct the entry's `for`, or say with `config` "
            f"where the folder with its config.json is: {error}"
        ) from error
    return net


def weights_in(folder: Path) -> Path:
    """The one .safetensors of a folder; of its variants, the plain one. Raises WeightsError."""
    files = sorted(folder.glob("*.safetensors"), key=lambda file: (file.name.count("."), file.name))
    if not files:
        raise WeightsError(f"{folder} has no .safetensors weights; convert or copy them there")
    return files[0]


def _config(entry: ModelEntry) -> dict[str, Any]:
    """That of the net itself, or what its checkpoints' denoiser and it have in common."""
    folder = entry.path if entry.path.is_dir() else entry.config
    file = folder / "config.json" if folder else CONFIGS / str(entry.base) / "unet" / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"cannot read {file} ({error}); copy it from the original model") from error
    if config.get("_class_name", CLASS) not in (CLASS, "UNet2DConditionModel"):
        raise WeightsError(f"{file} describes a {config['_class_name']}; only a {CLASS} can be used here")
    accepted = inspect.signature(ControlNetModel.__init__).parameters
    return {name: value for name, value in config.items() if name in accepted}
