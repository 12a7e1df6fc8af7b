"""IP-Adapters: a picture as a prompt, which the denoiser sees by attention of its own beside that to the text.

Ye et al., "IP-Adapter: Text Compatible Image Prompt Adapter for Text-to-Image Diffusion Models", 2023.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers.loaders.unet import UNet2DConditionLoadersMixin
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import ImageProjection
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection
from transformers.utils import logging as transformers_logging

from models.catalog.entry import ModelEntry
from models.conditioning import Conditioning
from models.imaging.pixels import cropped
from models.patches.patch import DenoiserInputs, DenoiserPatch, PatchedRows
from models.weights import WeightsError

TOKENS, SCALE = "image_tokens", "image_scale"
"""Where a conditioning has them: [rows, tokens, width], and [rows], how strongly each row feels its own."""
FACES = "image_proj.proj.0.weight", "image_proj.norm.weight"
"""Only adapters have both that see a face by another net's idea of it."""


LONGEST = 8
"""How much longer than wide a picture is enlarged, before all but its middle is cut off."""


class IPAttentionLayer(NamedTuple):
    """A layer of attention to the text, and the weights that make keys and values of image tokens for it."""

    attention: Attention
    to_k: Tensor
    to_v: Tensor


class IPAdapterMisfitError(ValueError):
    """An IP-Adapter was made for checkpoints of another kind."""

    code = "bad_input"


@dataclass(frozen=True, slots=True, eq=False)
class ImagePrompt(DenoiserPatch):
    """A picture as a prompt: image tokens that the denoiser attends to in addition to the text."""

    adapter: IPAdapter
    tokens: Tensor
    """Of the picture, [1, tokens, width]."""
    blank: Tensor
    """Of no picture, for the negative prompt; [1, tokens, width]."""
    scale: float
    """0 to 1: how strongly the denoiser attends to the tokens."""
    layers: tuple[IPAttentionLayer, ...] = ()
    """Those of the UNet that this prompt is bound to."""

    @property
    def batch_key(self) -> Hashable:
        return self.adapter.name

    @property
    def cost_key(self) -> Hashable:
        return ()

    @property
    def graph_key(self) -> Hashable:
        """The adapter's weights are used before the steps, by `row_tensors`."""
        return ()

    def bind(self, unet: nn.Module) -> ImagePrompt:
        """Raises IPAdapterMisfitError."""
        return replace(self, layers=self.adapter.sights(unet))

    def condition(
        self, positive: Conditioning, negative: Conditioning | None
    ) -> tuple[Conditioning, Conditioning | None]:
        """The prompt gets the picture's tokens, its negative the blank ones."""
        return self._with_tokens(positive, self.tokens), negative and self._with_tokens(negative, self.blank)

    def row_tensors(self, conditioning: Conditioning) -> Mapping[str, Tensor]:
        """Keys and values of the rows' image tokens."""
        return {str(index): each for index, each in enumerate(image_keys_values(self.layers, conditioning.extras))}

    def apply(self, unet: Any, rows: PatchedRows, inputs: DenoiserInputs) -> AbstractContextManager[None]:
        return ip_attention(self.layers, inputs.conditioning.extras, list(rows.tensors.values()))

    def _with_tokens(self, conditioning: Conditioning, tokens: Tensor) -> Conditioning:
        seen = {TOKENS: tokens, SCALE: torch.tensor([self.scale], dtype=tokens.dtype, device=tokens.device)}
        return Conditioning(conditioning.embeds, {**conditioning.extras, **seen})


class IPAdapter:
    """A loaded IP-Adapter with the CLIP encoder through which it sees. It serves all checkpoints of its family."""

    def __init__(
        self,
        entry: ModelEntry,
        encoder: CLIPVisionModelWithProjection,
        projection: nn.Module,
        layers: list[tuple[Tensor, Tensor]],
        dtype: torch.dtype,
    ) -> None:
        self.name = entry.name
        self.family: str = entry.family
        self.dtype = dtype
        self.device = torch.device("cpu")
        self._encoder, self._projection = encoder, projection
        self._keys = nn.ParameterList(nn.Parameter(key, requires_grad=False) for key, _ in layers)
        self._values = nn.ParameterList(nn.Parameter(value, requires_grad=False) for _, value in layers)
        self._nets = nn.ModuleList([encoder, projection, self._keys, self._values]).eval().requires_grad_(False)
        side = encoder.config.image_size
        self._look = CLIPImageProcessor(size=side, crop_size=side)

    @property
    def bytes(self) -> int:
        """What the weights take, wherever they are."""
        return sum(tensor.nbytes for tensor in (*self._nets.parameters(), *self._nets.buffers()))

    def to(self, device: torch.device) -> None:
        self._nets.to(device)
        self.device = device

    @torch.inference_mode()
    def prompt(self, pixels: np.ndarray, scale: float) -> ImagePrompt:
        """RGB pixels [height, width, 3] as a prompt; of a picture that is not square, its middle is seen."""
        height, width = pixels.shape[:2]
        middle = cropped(pixels, min(width, LONGEST * height), min(height, LONGEST * width))
        look = self._look(images=torch.from_numpy(middle.copy()).permute(2, 0, 1), return_tensors="pt").pixel_values
        look = look.to(self.device, self.dtype)
        if isinstance(self._projection, ImageProjection):
            seen = self._encoder(look).image_embeds
            blank = torch.zeros_like(seen)
        else:
            seen, blank = (
                self._encoder(each, output_hidden_states=True).hidden_states[-2]
                for each in (look, torch.zeros_like(look))
            )
        return ImagePrompt(self, self._projection(seen), self._projection(blank), scale)

    def sights(self, unet: nn.Module) -> tuple[IPAttentionLayer, ...]:
        """One for each such layer of a denoiser, in the order in which adapters count. Raises IPAdapterMisfitError."""
        places = [module for name, module in unet.named_modules() if name.endswith(".attn2")]
        found = [(place.to_k.weight.shape, place.to_v.weight.shape) for place in places]
        given = [(key.shape, value.shape) for key, value in zip(self._keys, self._values, strict=True)]
        if found != given:
            raise IPAdapterMisfitError(
                f"IP-Adapter {self.name!r} does not fit this model: it has {len(given)} layers for text of width "
                f"{given[0][0][1]}, the model {len(found)} of width {found[0][0][1]}; use one that was made for its "
                "family"
            )
        return tuple(IPAttentionLayer(*each) for each in zip(places, self._keys, self._values, strict=True))


def image_keys_values(sights: Sequence[IPAttentionLayer], extras: Mapping[str, Tensor]) -> list[Tensor]:
    """Keys and values of each row's image tokens, by layer: key, value, key, value…"""
    return [functional.linear(extras[TOKENS], weight) for sight in sights for weight in (sight.to_k, sight.to_v)]


@contextmanager
def ip_attention(
    sights: Sequence[IPAttentionLayer], extras: Mapping[str, Tensor], known: Sequence[Tensor] = ()
) -> Iterator[None]:
    """Within this block these layers attend to each row's image tokens as well, and add what they see by the row's
    scale (equation 5 of the paper). `known` is what `shown_to` made of the same rows before, if anything.

    They are as before when the block ends, however it ends.
    """
    halves = known or image_keys_values(sights, extras)
    with ExitStack() as hooks:
        for sight, keys, values in zip(sights, halves[::2], halves[1::2], strict=True):
            _hook(sight.attention, keys, values, extras[SCALE][:, None, None], hooks)
        yield


def _hook(attention: Attention, keys: Tensor, values: Tensor, scales: Tensor, hooks: ExitStack) -> None:
    """The queries are those of the text; what is seen joins what was read before the last projection of both."""
    queries: list[Tensor] = []

    def keep(_: nn.Module, __: object, query: Tensor) -> None:
        queries.append(query)

    def add(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        query, key, value = (_by_head(each, attention.heads) for each in (queries.pop(), keys, values))
        seen = functional.scaled_dot_product_attention(query, key, value)
        return (given[0] + scales * seen.transpose(1, 2).flatten(2),)

    hooks.callback(attention.to_q.register_forward_hook(keep).remove)
    hooks.callback(attention.to_out[0].register_forward_pre_hook(add).remove)


def _by_head(tokens: Tensor, heads: int) -> Tensor:
    """[rows, heads, tokens, width of a head] of [rows, tokens, width]."""
    return tokens.view(*tokens.shape[:2], heads, -1).transpose(1, 2)


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> IPAdapter:
    """A single file in the lay-out of its authors, and the encoder that its entry names. Raises WeightsError."""
    transformers_logging.disable_progress_bar()
    tensors = load_file(entry.path)
    if all(name in tensors for name in FACES) or any("_lora." in name or "perceiver" in name for name in tensors):
        raise WeightsError(
            f"{entry.path.name} is an IP-Adapter for faces (FaceID), which needs a net for face recognition that this "
            "server does not have; use a plain, a plus or a plus-face adapter"
        )
    try:
        projection = _projection(tensors).to(dtype)
        layers = [(key.to(dtype), value.to(dtype)) for key, value in _layers(tensors)]
    except (KeyError, RuntimeError) as error:
        raise WeightsError(
            f"{entry.path.name} is no IP-Adapter in the lay-out of its authors, with image_proj.… and ip_adapter.… "
            f"weights: {error}"
        ) from error
    adapter = IPAdapter(entry, _encoder(entry, projection, dtype), projection, layers, dtype)
    adapter.to(device)
    return adapter


def _projection(tensors: Mapping[str, Tensor]) -> nn.Module:
    """The net that makes image tokens of what CLIP saw."""
    prefix = "image_proj."
    given = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    net: nn.Module = UNet2DConditionLoadersMixin()._convert_ip_adapter_image_proj_to_diffusers(
        given, low_cpu_mem_usage=False
    )
    return net


def _layers(tensors: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Authors count the attention layers of a UNet, those to itself included, so theirs are the odd numbers."""
    numbers = sorted(int(name.split(".")[1]) for name in tensors if name.endswith(".to_k_ip.weight"))
    if not numbers:
        raise KeyError("ip_adapter.1.to_k_ip.weight")
    return [tuple(tensors[f"ip_adapter.{number}.to_{half}_ip.weight"] for half in "kv") for number in numbers]  # type: ignore[misc]


def _encoder(entry: ModelEntry, projection: nn.Module, dtype: torch.dtype) -> CLIPVisionModelWithProjection:
    folder: Any = entry.encoder
    try:
        encoder: CLIPVisionModelWithProjection = CLIPVisionModelWithProjection.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True
        )
    except (OSError, ValueError) as error:
        raise WeightsError(f"cannot read the CLIP vision encoder of {entry.name} in {folder}: {error}") from error
    config = encoder.config
    width = config.projection_dim if isinstance(projection, ImageProjection) else config.hidden_size
    wanted = next(layer.in_features for layer in projection.modules() if isinstance(layer, nn.Linear))
    if width != wanted:
        raise WeightsError(
            f"{entry.name} wants to see by an encoder of width {wanted}, that of {folder} gives {width}; correct its "
            "`encoder`: ViT-H for most adapters, ViT-bigG for those of SDXL without `vit-h` in their name"
        )
    return encoder
