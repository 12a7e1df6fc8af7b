"""The common part of all latent diffusion checkpoints: a denoiser, an autoencoder, text encoders, and their device."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from models.adapters.lora import Lora
from models.adapters.lora_beside import LorasBeside, beside
from models.adapters.lora_merge import Adapter, MergedNet, refuse_misfit
from models.adapters.lora_packing import LoraSet
from models.adapters.lora_sets import LoraSets
from models.adapters.lora_warnings import skipped_parts
from models.adapters.textual_inversion import Inversion
from models.catalog.entry import ModelEntry
from models.compiled.forward_pass import Outputs, PassRunner, flatten_inputs, run_net
from models.compiled.static_weights import StaticWeights
from models.conditioning import Conditioning
from models.diffusion.autoencoder import Autoencoder
from models.diffusion.latent_preview import LatentPreview
from models.diffusion.part_fit import check_parts_fit
from models.diffusion.text_encoder import Encoding, TextEncoder
from models.diffusion.tiny_decoder import TinyDecoder
from models.diffusion.vae import Vae
from models.diffusion.word_match import any_of
from models.finite import require_finite
from models.loaded_model import next_serial
from models.noise import GaussianNoise
from models.patches.cross_attention_cache import cached_cross_attention, keys_and_values, text_layers
from models.patches.patch import DenoiserInputs, DenoiserPatch, PatchedRows
from models.weights import Weights

MOST_ENCODINGS = 64
"""Encoded texts that are cached."""


class LatentDiffusion(ABC):
    """A loaded checkpoint without `encode_prompts`, which a family adds. Used by one thread at a time."""

    def __init__(
        self,
        entry: ModelEntry,
        weights: Weights,
        autoencoder: Autoencoder,
        encoders: Sequence[TextEncoder],
        dtype: torch.dtype,
    ) -> None:
        self.name = entry.name
        self.version = entry.version
        self.serial = next_serial()
        self.family: str = entry.family
        self.channels = autoencoder.channels
        self.vae_scale_factor = autoencoder.scale_factor
        self.dtype = dtype
        self.device = torch.device("cpu")
        self.scheduler_config = _scheduler_config(entry, weights)
        self._clip_skip = entry.clip_skip
        self._unet = weights.unet(dtype)
        self._text_layers = text_layers(self._unet)
        self.static = StaticWeights(self._unet)
        self.in_channels = int(self._unet.config.in_channels)
        self._autoencoder = autoencoder
        self._decoder: Autoencoder | TinyDecoder = autoencoder
        self._encoders = tuple(encoders)
        self._encodings: OrderedDict[Hashable, tuple[Encoding, ...]] = OrderedDict()
        self._adapters: tuple[Adapter, ...] = ()
        self._lora_sets = LoraSets()
        self._inversions: tuple[Inversion, ...] = ()
        self.patches: tuple[DenoiserPatch, ...] = ()
        self._merged_unet = MergedNet(self._unet, "unet")
        self._merged_encoders = tuple(
            MergedNet(encoder.model, f"text_encoder_{number}" if number > 1 else "text_encoder")
            for number, encoder in enumerate(self._encoders, start=1)
        )
        self._preview = LatentPreview(autoencoder)
        check_parts_fit(entry, self._unet, autoencoder, self._encoders)
        for net in self._nets:
            net.eval().requires_grad_(False)

    @property
    def bytes(self) -> int:
        """Of all weights, on any device."""
        return sum(tensor.nbytes for net in self._nets for tensor in (*net.parameters(), *net.buffers()))

    def leave(self, *, for_good: bool) -> StaticWeights:
        """Moves the weights to host memory, unless this checkpoint is never used again (`for_good`). Returns the memory
        of the denoiser's weights, for another checkpoint of its layout."""
        self._merged_unet.forget()
        static = self.static
        static.keep(self._unet)
        if not for_good:
            self.static = StaticWeights.elsewhere(self._unet)
            self.to(torch.device("cpu"))
        return static

    def to(self, device: torch.device, static: StaticWeights | None = None) -> None:
        """Moves the weights; on CUDA in channels-last layout, which tensor cores read without a copy.

        The denoiser's weights go into `static`, the memory of another checkpoint there, if it has the same layout.
        """
        for merged in self._merged_nets:
            merged.forget()
        settled = False
        if static is not None and static.settle(self._unet):
            self.static, settled = static, True
        elif device != self.device:
            self.static = StaticWeights(self._unet)
        for net in self._nets:
            net.to(device)
        if device.type == "cuda":
            if not settled:  # settled weights are channels-last already, and must stay at their addresses
                self._unet.to(memory_format=torch.channels_last)
            self._autoencoder.net.to(memory_format=torch.channels_last)
        self.device = device
        self._encodings.clear()
        self._lora_sets.clear()

    @property
    def adapters(self) -> tuple[tuple[int, float], ...]:
        return self._merged_unet.active_loras((adapter.lora, adapter.unet) for adapter in self._adapters)

    @property
    def lora_set(self) -> LoraSet | None:
        """See `Checkpoint`."""
        if not all(patch.keeps_rows for patch in self.patches):
            return None
        return self._lora_sets.find(self._merged_unet, [(adapter.lora, adapter.unet) for adapter in self._adapters])

    @property
    def warnings(self) -> tuple[str, ...]:
        if not self._adapters:
            return ()
        modules = {net.part: net.modules for net in self._merged_nets}
        loras = [adapter.lora for adapter in self._adapters]
        return tuple(text for lora in loras for text in skipped_parts(lora.name, lora.skipped, lora.updates, modules))

    def adapted(
        self,
        adapters: Sequence[Adapter] = (),
        inversions: Sequence[Inversion] = (),
        patches: Sequence[DenoiserPatch] = (),
        decoder: TinyDecoder | None = None,
        vae: Vae | None = None,
    ) -> Self:
        """See `Checkpoint`. Both share the nets; LoRAs are merged into them by each use. Raises LoraError."""
        for adapter in adapters:
            refuse_misfit(adapter.lora, self._merged_nets)
        other = copy.copy(self)
        other._adapters, other._inversions = tuple(adapters), tuple(inversions)
        bound = [patch.bind(self._unet) for patch in patches]
        other.patches = tuple(sorted(bound, key=lambda patch: patch.runs_unet))
        if vae is not None:
            other._autoencoder = vae.autoencoder.scaled_as(self._autoencoder)
        other._decoder = decoder or other._autoencoder
        return other

    @abstractmethod
    def encode_prompts(
        self, positives: Sequence[str], negatives: Sequence[str], *, clip_skip: int, width: int, height: int
    ) -> tuple[list[Conditioning], list[Conditioning]]:
        """See `Checkpoint`."""

    def encode_prompt(
        self, text: str, negative: str | None, *, clip_skip: int, width: int, height: int
    ) -> tuple[Conditioning, Conditioning | None]:
        """See `Checkpoint`."""
        negatives = [] if negative is None else [negative]
        positives, encoded = self.encode_prompts([text], negatives, clip_skip=clip_skip, width=width, height=height)
        return positives[0], encoded[0] if encoded else None

    def encode(
        self, pixels: np.ndarray, noise: GaussianNoise, *, mask: np.ndarray | None = None, circular: bool = False
    ) -> Tensor:
        return self._autoencoder.encode(pixels, noise, mask=mask, circular=circular)

    def merge(self) -> None:
        self._merged_unet.switch((adapter.lora, adapter.unet) for adapter in self._adapters)

    @property
    def is_merged(self) -> bool:
        return self._merged_unet.has(self.adapters)

    def unmerge(self) -> None:
        self._merged_unet.switch(())

    @torch.inference_mode()
    def with_cached_kv(self, conditioning: Conditioning, loras: PatchedRows | None = None) -> Conditioning:
        with ExitStack() as applied:
            if loras is None:
                self.merge()
            else:
                self.unmerge()
                applied.enter_context(loras.patch.apply(self._unet, loras, _text_inputs(conditioning)))
            return replace(conditioning, cached_kv=tuple(keys_and_values(self._text_layers, conditioning.embeds)))

    @torch.inference_mode()
    def predict(
        self,
        latents: Tensor,
        timesteps: Tensor,
        conditioning: Conditioning,
        *,
        residuals: Sequence[Tensor] = (),
        patches: Sequence[PatchedRows] = (),
        runner: PassRunner | None = None,
    ) -> Tensor:
        """See `Checkpoint`. Computed in the checkpoint's dtype, returned in that of the latents."""
        if any(isinstance(rows.patch, LorasBeside) for rows in patches):
            self.unmerge()
        else:
            self.merge()
        unet, text = self._unet, conditioning.cached_kv
        common: dict[str, Any] = {"timesteps": timesteps, "embeds": conditioning.embeds, "extras": conditioning.extras}

        def run_unet(latents: Tensor) -> Outputs:
            return run_net(unet, flatten_inputs(latents=latents.to(self.dtype), **common))

        with ExitStack() as applied:
            applied.enter_context(cached_cross_attention(self._text_layers, text))
            inputs = DenoiserInputs(latents, timesteps, conditioning, run_unet)
            for rows in patches:
                applied.enter_context(rows.patch.apply(unet, rows, inputs))
            # `known` is part of packages' digests.
            flat = flatten_inputs(latents=latents.to(self.dtype), **common, known=text, residuals=residuals)
            outputs = run_net(unet, flat) if runner is None else runner(unet, flat, lambda: run_net(unet, flat))
        return outputs[0].to(latents.dtype)

    def decode(self, latents: Tensor, *, circular: bool = False) -> list[np.ndarray]:
        return self._decoder.decode(latents, circular=circular)

    def preview(self, latents: Tensor) -> np.ndarray:
        return self._preview.image(latents)

    @property
    def _merged_nets(self) -> tuple[MergedNet, ...]:
        return (self._merged_unet, *self._merged_encoders)

    @property
    def _nets(self) -> tuple[nn.Module, ...]:
        return (self._unet, self._autoencoder.net, *(encoder.model for encoder in self._encoders))

    def _with_patches(
        self, positives: list[Conditioning], negatives: list[Conditioning]
    ) -> tuple[list[Conditioning], list[Conditioning]]:
        """The conditionings of prompts and negative prompts, with what the patches add to them."""
        for patch in self.patches:
            positives = [patch.condition(each, prompted=True) for each in positives]
            negatives = [patch.condition(each, prompted=False) for each in negatives]
        return positives, negatives

    def _skipped_layers(self, clip_skip: int) -> int:
        return self._clip_skip if clip_skip == -1 else clip_skip

    @torch.inference_mode()
    def _encode_text(self, text: str, clip_skip: int) -> tuple[Encoding, ...]:
        """The text's encoding by each encoder; the last MOST_ENCODINGS are cached. Raises NotFiniteError."""
        scales = [(adapter.lora, adapter.text) for adapter in self._adapters]
        inversions = [each for each in self._inversions if any_of([each.word]).search(text)]
        digests = tuple((each.word, each.digest) for each in inversions)
        key = (text, clip_skip, digests, *(merged.active_loras(scales) for merged in self._merged_encoders))
        if key not in self._encodings:
            with ExitStack() as applied:
                for merged in self._merged_encoders:
                    self._apply_to_text(merged, scales, applied)
                encodings = tuple(encoder.encode(text, clip_skip, inversions) for encoder in self._encoders)
            tensors = [tensor for encoding in encodings for tensor in (encoding.states, encoding.pooled)]
            require_finite(f"the text encoder of model {self.name!r}", *tensors)
            self._encodings[key] = encodings
        self._encodings.move_to_end(key)
        if len(self._encodings) > MOST_ENCODINGS:
            self._encodings.popitem(last=False)
        return self._encodings[key]

    def _apply_to_text(self, merged: MergedNet, scales: Sequence[tuple[Lora, float]], applied: ExitStack) -> None:
        """Adds LoRAs to a text encoder: beside its weights if possible, for a merge takes longer than a text."""
        loras = self._lora_sets.find(merged, scales)
        if loras is None:
            merged.switch(scales)
            return
        merged.switch(())
        if loras.layout.additions:
            packed = loras.packed(loras.layout, self.dtype)[None]
            applied.enter_context(beside(merged.net, loras.layout, packed, None))

    def _embeds(self, encodings: tuple[Encoding, ...], chunks: int, clip_skip: int) -> Tensor:
        """[1, chunks · 77, width]: the encoders' states side by side; missing chunks are those of an empty prompt."""
        empty = self._encode_text("", clip_skip)
        filled = [
            torch.cat([encoding.states, *[blank.states] * (chunks - len(encoding.states))]).flatten(0, 1)
            for encoding, blank in zip(encodings, empty, strict=True)
        ]
        return torch.cat(filled, dim=-1)[None]


def _text_inputs(conditioning: Conditioning) -> DenoiserInputs:
    """The inputs of a patch where only the layers that read the text run, and no UNet."""
    return DenoiserInputs(conditioning.embeds, conditioning.embeds, conditioning, run_unet=lambda _: ())


def _scheduler_config(entry: ModelEntry, weights: Weights) -> Mapping[str, Any]:
    config = {"prediction_type": "epsilon", **weights.scheduler_config}
    return config if entry.prediction is None else {**config, "prediction_type": entry.prediction}
