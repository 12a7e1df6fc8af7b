"""IP-Adapters: an image as a prompt. The denoiser attends to image tokens besides those of the text.

Ye et al., "IP-Adapter: Text Compatible Image Prompt Adapter for Text-to-Image Diffusion Models", 2023.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from diffusers.loaders.unet import UNet2DConditionLoadersMixin
from diffusers.models.embeddings import ImageProjection
from torch import Tensor, nn
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from models.adapters.ip_attention import SCALE, TOKENS, IPAttentionLayer, image_keys_values, ip_attention
from models.catalog.entry import ModelEntry
from models.conditioning import Conditioning
from models.files.weights_error import WeightsError, one_line
from models.imaging.pixels import crop_center
from models.loaded_model import TorchModel
from models.loading.clip_vision import read_clip_vision
from models.loading.fill import check_whole
from models.loading.tensors import read_tensors
from models.patches.patch import DenoiserInputs, DenoiserPatch, PatchedRows

_USED = re.compile(r"image_proj\..+|ip_adapter\.\d+\.to_[kv]_ip\.weight")
"""The names of the weights in a file."""
FACE_ID_KEYS = "image_proj.proj.0.weight", "image_proj.norm.weight"
"""Only FaceID adapters have both, which take the embedding of a face recognition net."""
MAX_RATIO = 8
"""How many times longer than the other a side may be; the ends of a longer image are cut off before it is resized."""


class IPAdapterMisfitError(ValueError):
    """An IP-Adapter does not fit the denoiser of the checkpoint."""

    code = "bad_input"


@dataclass(frozen=True, slots=True, eq=False)
class ImagePrompt(DenoiserPatch):
    """An image as a prompt: image tokens that the denoiser attends to in addition to the text."""

    adapter: IPAdapter
    tokens: Tensor
    """[1, tokens, width] in the adapter's dtype."""
    blank: Tensor
    """The tokens of an empty image, for the negative prompt; same shape and dtype."""
    scale: float
    """0 to 1: how strongly the denoiser attends to the tokens."""
    layers: tuple[IPAttentionLayer, ...] = ()
    """Those of the UNet that this prompt is bound to."""

    @property
    def batch_key(self) -> Hashable:
        return self.adapter.serial

    @property
    def cost_key(self) -> Hashable:
        return ()

    @property
    def graph_key(self) -> Hashable:
        """The adapter's weights are used before the steps, by `row_tensors`."""
        return ()

    def averaged(self, others: Sequence[ImagePrompt]) -> ImagePrompt:
        """The mean of this prompt and others of the same adapter."""
        tokens = torch.stack([self.tokens, *(other.tokens for other in others)])
        return replace(self, tokens=tokens.mean(dim=0)) if others else self

    def bind(self, unet: nn.Module) -> ImagePrompt:
        """Raises IPAdapterMisfitError."""
        return replace(self, layers=self.adapter.attention_layers(unet))

    def condition(self, conditioning: Conditioning, *, prompted: bool) -> Conditioning:
        """A prompt gets the tokens of the image, its negative the blank ones."""
        return self._with_tokens(conditioning, self.tokens if prompted else self.blank)

    def row_tensors(self, conditioning: Conditioning) -> Mapping[str, Tensor]:
        """Keys and values of the rows' image tokens."""
        return {str(index): each for index, each in enumerate(image_keys_values(self.layers, conditioning.extras))}

    def apply(self, unet: Any, rows: PatchedRows, inputs: DenoiserInputs) -> AbstractContextManager[None]:
        return ip_attention(self.layers, inputs.conditioning.extras, list(rows.tensors.values()))

    def _with_tokens(self, conditioning: Conditioning, tokens: Tensor) -> Conditioning:
        extras = {TOKENS: tokens, SCALE: torch.tensor([self.scale], dtype=tokens.dtype, device=tokens.device)}
        return Conditioning(conditioning.embeds, {**conditioning.extras, **extras})


class IPAdapter(TorchModel):
    """A loaded IP-Adapter with its CLIP vision encoder. It serves all checkpoints of its family."""

    def __init__(
        self,
        entry: ModelEntry,
        encoder: CLIPVisionModelWithProjection,
        projection: nn.Module,
        layers: list[tuple[Tensor, Tensor]],
        dtype: torch.dtype,
    ) -> None:
        self.dtype = dtype
        self._encoder, self._projection = encoder, projection
        self._keys = nn.ParameterList(nn.Parameter(key, requires_grad=False) for key, _ in layers)
        self._values = nn.ParameterList(nn.Parameter(value, requires_grad=False) for _, value in layers)
        super().__init__(entry, encoder, projection, self._keys, self._values)
        size = encoder.config.image_size
        self._image_processor = CLIPImageProcessor(size=size, crop_size=size)

    @torch.inference_mode()
    def prompt(self, pixels: np.ndarray, scale: float) -> ImagePrompt:
        """RGB pixels [height, width, 3] as an image prompt; the middle square of the image is used."""
        height, width = pixels.shape[:2]
        middle = crop_center(pixels, min(width, MAX_RATIO * height), min(height, MAX_RATIO * width))
        planes = torch.from_numpy(middle.copy()).permute(2, 0, 1)
        inputs = self._image_processor(images=planes, return_tensors="pt").pixel_values.to(self.device, self.dtype)
        if isinstance(self._projection, ImageProjection):
            embeds = self._encoder(inputs).image_embeds
            blank = torch.zeros_like(embeds)
        else:
            embeds, blank = (
                self._encoder(each, output_hidden_states=True).hidden_states[-2]
                for each in (inputs, torch.zeros_like(inputs))
            )
        return ImagePrompt(self, self._projection(embeds), self._projection(blank), scale)

    def attention_layers(self, unet: nn.Module) -> tuple[IPAttentionLayer, ...]:
        """The cross-attention layers of a denoiser, in the order of the adapter's. Raises IPAdapterMisfitError."""
        layers = [module for name, module in unet.named_modules() if name.endswith(".attn2")]
        expected = [(layer.to_k.weight.shape, layer.to_v.weight.shape) for layer in layers]
        shapes = [(key.shape, value.shape) for key, value in zip(self._keys, self._values, strict=True)]
        if shapes != expected:
            raise IPAdapterMisfitError(
                f"IP-Adapter {self.name!r} does not fit this model: it has {len(shapes)} layers for text of width "
                f"{shapes[0][0][1]}, the model {len(expected)} of width {expected[0][0][1]}; use one for its family"
            )
        return tuple(IPAttentionLayer(*each) for each in zip(layers, self._keys, self._values, strict=True))


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> IPAdapter:
    """Reads a single file in the layout of the authors, and the encoder of the entry. Raises WeightsError."""
    tensors = read_tensors(entry.path, dtype=dtype)
    is_face_id = any("_lora." in name or "perceiver" in name for name in tensors)
    if is_face_id or all(name in tensors for name in FACE_ID_KEYS):
        raise WeightsError(
            f"{entry.path.name} is an IP-Adapter for faces (FaceID), which needs a face recognition net; this server "
            "has none: use a plain, a plus or a plus-face adapter"
        )
    try:
        projection = _projection(tensors).to(dtype)
        layers = [(key.to(dtype), value.to(dtype)) for key, value in _layers(tensors)]
    except (LookupError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"{entry.path.name} is not an IP-Adapter in the layout of its authors, or not a whole one, with "
            f"image_proj.… and ip_adapter.… weights ({one_line(error)}); give such a file"
        ) from error
    check_whole(entry.path.name, unexpected=(name for name in tensors if not _USED.fullmatch(name)))
    adapter = IPAdapter(entry, _encoder(entry, projection, dtype), projection, layers, dtype)
    adapter.to(device)
    return adapter


def _projection(tensors: Mapping[str, Tensor]) -> nn.Module:
    """The net that projects CLIP embeddings to image tokens."""
    prefix = "image_proj."
    weights = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    net: nn.Module = UNet2DConditionLoadersMixin()._convert_ip_adapter_image_proj_to_diffusers(
        weights, low_cpu_mem_usage=False
    )
    return net


def _layers(tensors: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Authors number all attention layers of a UNet; the odd numbers are those of cross-attention."""
    numbers = sorted(int(name.split(".")[1]) for name in tensors if name.endswith(".to_k_ip.weight"))
    if not numbers:
        raise KeyError("ip_adapter.1.to_k_ip.weight")
    return [tuple(tensors[f"ip_adapter.{number}.to_{half}_ip.weight"] for half in "kv") for number in numbers]  # type: ignore[misc]


def _encoder(entry: ModelEntry, projection: nn.Module, dtype: torch.dtype) -> CLIPVisionModelWithProjection:
    folder = entry.encoder
    if folder is None:
        raise WeightsError(f"{entry.name} has no `encoder` in its entry; name the folder of its CLIP vision encoder")
    encoder = read_clip_vision(folder, dtype)
    config = encoder.config
    width = config.projection_dim if isinstance(projection, ImageProjection) else config.hidden_size
    expected = next(layer.in_features for layer in projection.modules() if isinstance(layer, nn.Linear))
    if width != expected:
        raise WeightsError(
            f"{entry.name} needs an encoder of width {expected}, but that of {folder} has {width}; correct its "
            "`encoder`: ViT-H for most adapters, ViT-bigG for those of SDXL without `vit-h` in their name"
        )
    return encoder
