"""One Denoise in progress: plain tensors and a step index, which can be stored and moved to another device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import torch

from models.conditioning import Prompts
from models.patches.circular_padding import CircularPadding
from models.patches.deep_cache import DeepCache
from models.patches.patch import DenoiserPatch, ImageContext, PatchKey
from pipelines.engine.device_transfer import to_device_async
from pipelines.engine.sampling import samplers
from pipelines.engine.sampling.sampler_table import Draw
from pipelines.pipeline import ControlInput, Denoise, PreservedRegion

State = dict[str, torch.Tensor]
"""A stored trajectory, on the CPU: `index`, `latents` and `outputs` float32 [count, channels, h, w], `noise` uint8, and
`deep` [rows, channels, h, w], if the next step needs it."""
Depth = Literal["full", "full_and_cache", "cached"]
"""What a step runs: the whole UNet; the whole UNet, whose deep features are cached; or its outermost layers only, on
cached deep features."""

DEPTH_PATCHES: Mapping[Depth, tuple[DeepCache, ...]] = {
    "full": (),
    "full_and_cache": (DeepCache(cached=False),),
    "cached": (DeepCache(cached=True),),
}
DEPTH_KEYS: Mapping[Depth, tuple[PatchKey, ...]] = {
    depth: tuple(patch.key for patch in patches) for depth, patches in DEPTH_PATCHES.items()
}


class SourceShapeError(ValueError):
    """The source latents do not have the size of the image."""

    code = "bad_input"


class InpaintingOnlyError(ValueError):
    """A checkpoint that was trained for inpainting got no mask."""

    code = "bad_input"


class ControlMismatchError(ValueError):
    """A ControlNet does not fit the checkpoint or its weights, or its hint does not have the size of the image."""

    code = "bad_input"


class Trajectory:
    """Latents on their way from noise to image, float32 on the checkpoint's device."""

    def __init__(self, denoise: Denoise, state: State | None = None, plain: bool = False) -> None:
        checkpoint = denoise.checkpoint
        self.denoise = denoise
        self.plain = plain
        """Whether its steps are neither captured nor compiled, and share no forward pass."""
        scale = checkpoint.vae_scale_factor
        self.shape = (checkpoint.channels, denoise.height // scale, denoise.width // scale)
        """Channels, height and width of the latents."""
        strength = None if denoise.source is None else denoise.strength
        self.table = samplers.table(
            checkpoint.scheduler_config, denoise.sampler, denoise.sigmas, denoise.steps, strength, denoise.spacing
        )
        self._drawn: torch.Tensor | None = None
        """The noise of the present step, once it is drawn."""
        self._noise_before = denoise.noise.state()
        """The position of the noise before `_drawn`."""
        self._latest: tuple[torch.Tensor, torch.Tensor] | None = None
        """Latents before the latest step, and the model's output in it."""
        self.index = 0
        self.outputs: list[torch.Tensor] = []
        """Earlier outputs of the model that the sampler may still read, latest first, each [channels, h, w]."""
        self.deep_features: tuple[torch.Tensor, ...] = ()
        """Of the latest full pass: the negative's row, if there was one, and each prompt's, [channels, h, w]."""
        self.inpainting_inputs = self._inpainting_inputs()
        """Mask and masked latents [in_channels - channels, h, w] in the checkpoint's dtype, if it takes them."""
        controls = (_on_device(each, denoise) for each in denoise.controls)
        self._controls = sorted(controls, key=lambda each: each.net.name)
        noise = denoise.initial if denoise.initial is not None else denoise.noise.initial((1, *self.shape))
        self._initial = denoise.noise_multiplier * noise[0].to(checkpoint.device)
        self._patches = self._prepared_patches()
        self._patch_keys = tuple(patch.key for patch in self._patches)
        self._preserve = None if denoise.preserve is None else _preserved(checkpoint.device, denoise.preserve)
        self.latents = [self._start()] if state is None else []
        """Present and earlier latents that the sampler may still read, latest first, each [channels, h, w]."""
        if state is not None:
            self._restore(state)

    @property
    def controls(self) -> list[ControlInput]:
        """Those that act on the present step, sorted by the name of their net; hints are on the device."""
        return [each for each in self._controls if each.strength and self._within(each.start, each.end)]

    @property
    def prompts(self) -> Prompts:
        """What guides the present step; outside the guidance interval there is no negative."""
        all_prompts = self.denoise.prompts
        present = all_prompts[min(self.index * len(all_prompts) // max(len(self.table), 1), len(all_prompts) - 1)]
        return present if self._within(*self.denoise.guidance_interval) else replace(present, negative=None)

    @property
    def guidance(self) -> float:
        """The scale of the present step. Without a negative the first prompt takes its place, and the step follows the
        mean of all, in the proportions of their weights."""
        prompts, total = self.prompts, sum(self.prompts.weights)
        return self.denoise.guidance if prompts.negative is not None else 1 / total if total else 0.0

    @property
    def rows(self) -> int:
        """Rows in a forward pass: one for each prompt and, with guidance, one for the negative."""
        prompts = self.prompts
        return len(prompts.positives) + (prompts.negative is not None)

    @property
    def depth(self) -> Depth:
        """What the present step runs. A step where guidance sets in is full, for the negative has no features yet."""
        if self.denoise.deep_cache == 1:
            return "full"
        has_features = len(self.deep_features) >= self.rows
        return "cached" if has_features and self.index % self.denoise.deep_cache else "full_and_cache"

    @property
    def ahead(self) -> Counter[Depth]:
        """The remaining steps by depth, if guidance does not set in on the way."""
        interval, steps = self.denoise.deep_cache, range(self.index, len(self.table))
        if interval == 1:
            return Counter({"full": len(steps)})
        return Counter("cached" if index % interval else "full_and_cache" for index in steps)

    @property
    def patches(self) -> tuple[DenoiserPatch, ...]:
        """The patches of the present step; that of DeepCache is the last."""
        return self._patches + DEPTH_PATCHES[self.depth]

    def patch_keys(self, depth: Depth) -> tuple[PatchKey, ...]:
        """The keys of `patches` in a step of this depth."""
        return self._patch_keys + DEPTH_KEYS[depth]

    @property
    def noise_level(self) -> tuple[float, float]:
        """The model's input in the present step is signal · clean latents + sigma · noise: (signal, sigma)."""
        signal, sigma = self.table.V[self.index].tolist()
        return signal, sigma

    @property
    def done(self) -> bool:
        return self.index == len(self.table)

    @property
    def clean(self) -> torch.Tensor:
        """The present latents [1, channels, h, w]."""
        return self.latents[0][None]

    @property
    def guess(self) -> torch.Tensor:
        """The clean latents as the latest step estimated them, [1, channels, h, w]."""
        if self._latest is None:
            return self.clean
        of_latents, of_output = self.table.G[self.index - 1].tolist()
        latents, output = self._latest
        clean: torch.Tensor = of_latents * latents + of_output * output
        return clean[None]

    def noise(self) -> torch.Tensor | None:
        """The noise of the present step [channels, h, w]; None if it needs none. The same until `advance`."""
        draw = self.table.draws[self.index]
        if draw is not None and self._drawn is None:
            self._noise_before = self.denoise.noise.state()
            self._drawn = to_device_async(self._draw(draw), self.denoise.checkpoint.device)
        return self._drawn if self.table.weights[self.index, -1] else None

    def draw_ahead(self) -> None:
        """Draws the noise of the next step and starts to copy it to the device, while the device works."""
        if not self.done:
            self.noise()

    def advance(
        self, latents: torch.Tensor, output: torch.Tensor, deep_features: tuple[torch.Tensor, ...] = ()
    ) -> None:
        """Completes the step: `latents` are the next ones, `output` is the model's, for the present ones.

        `deep_features` replace the cached ones, if there are any.
        """
        self._latest = self.latents[0], output
        latents = self._with_preserved(latents)
        latents_count, outputs_count = self.table.reach
        self.latents = [latents, *self.latents][: max(latents_count, 1)]
        self.outputs = [output, *self.outputs][: max(outputs_count - 1, 0)]
        self.deep_features = deep_features or self.deep_features
        self._drawn = None
        self.index += 1

    def state(self) -> State:
        """What a Trajectory of the same Denoise needs to continue; tables and conditioning follow from the Denoise."""
        needs_features = not self.done and self.depth == "cached"
        return {
            **({"deep": torch.stack(self.deep_features).cpu()} if needs_features else {}),
            "index": torch.tensor(self.index),
            "latents": torch.stack(self.latents).cpu().clone(),
            "outputs": torch.stack(self.outputs).cpu().clone() if self.outputs else torch.zeros(0, *self.shape),
            "noise": self.denoise.noise.state() if self._drawn is None else self._noise_before,
        }

    def _draw(self, draw: Draw) -> torch.Tensor:
        shape, noise = (1, *self.shape), self.denoise.noise
        if draw.sigma is None or draw.sigma_next is None:
            return noise.gaussian(shape)[0]
        return noise.brownian(shape, self.table.sigma_range, draw.sigma, draw.sigma_next)[0]

    def _within(self, begin: float, end: float) -> bool:
        """Whether the present step lies between these fractions of all steps."""
        steps = max(len(self.table), 1)
        return self.index / steps >= begin and (self.index + 1) / steps <= end

    def _start(self) -> torch.Tensor:
        device, source = self.denoise.checkpoint.device, self.denoise.source
        if source is not None and source.shape[1:] != self.shape:
            raise SourceShapeError(
                f"source latents are {tuple(source.shape[1:])}, but {self.denoise.width}×{self.denoise.height} pixels "
                f"need {self.shape}; resize the source image first"
            )
        if source is not None and not len(self.table):
            return source[0].to(device, torch.float32)
        latents = self.table.sigma * self._initial
        return latents if source is None else latents + self.table.signal * source[0].to(device, torch.float32)

    def _inpainting_inputs(self) -> torch.Tensor | None:
        checkpoint, inputs = self.denoise.checkpoint, self.denoise.inpainting_inputs
        if inputs is not None:
            return inputs[0].to(checkpoint.device, checkpoint.dtype)
        if checkpoint.in_channels != checkpoint.channels:
            raise InpaintingOnlyError(
                f"model {checkpoint.name!r} is for inpainting and paints masked areas only; "
                "use a plain model here, or one of the inpainting tasks"
            )
        return None

    def _prepared_patches(self) -> tuple[DenoiserPatch, ...]:
        """Circular padding comes first: a patch that runs the UNet itself runs it padded."""
        denoise = self.denoise
        image = ImageContext(
            denoise.checkpoint.encode, denoise.width, denoise.height, self._initial, self.inpainting_inputs
        )
        circular = (CircularPadding(),) if denoise.circular else ()
        return tuple(patch.for_image(image) for patch in (*circular, *denoise.checkpoint.patches))

    def _with_preserved(self, latents: torch.Tensor) -> torch.Tensor:
        """The next latents, with the preserved region of the source put back."""
        if self._preserve is None:
            return latents
        signal, sigma = self.table.N[self.index].tolist()
        return torch.where(self._preserve.mask > 0, latents, signal * self._preserve.picture + sigma * self._initial)

    def _restore(self, state: State) -> None:
        device = self.denoise.checkpoint.device
        self.index = int(state["index"])
        self.latents = list(state["latents"].to(device).unbind())
        self.outputs = list(state["outputs"].to(device).unbind())
        self.denoise.noise.restore(state["noise"])
        if "deep" in state:
            self.deep_features = state["deep"].to(device).unbind()


def _preserved(device: torch.device, region: PreservedRegion) -> PreservedRegion:
    """The region of one image, [channels, h, w] and [1, h, w], float32 on the device."""
    return PreservedRegion(region.picture[0].to(device, torch.float32), region.mask[0].to(device, torch.float32))


def _on_device(control: ControlInput, denoise: Denoise) -> ControlInput:
    """The control with its hint and its region on the device. Raises ControlMismatchError."""
    net, checkpoint = control.net, denoise.checkpoint
    text_width, (height, width) = denoise.prompts[0].positives[0].embeds.shape[-1], control.hint.shape[2:]
    if net.width != text_width:
        raise ControlMismatchError(
            f"ControlNet {net.name!r} reads text of width {net.width}, but model {checkpoint.name!r} of family "
            f"{checkpoint.family} has width {text_width}; use a ControlNet that was made for this family"
        )
    if (width, height) != (denoise.width, denoise.height):
        raise ControlMismatchError(
            f"a hint is {width}×{height}, but the image is {denoise.width}×{denoise.height}; send a hint of that size"
        )
    if control.layer_weights is not None and len(control.layer_weights) != net.parts:
        raise ControlMismatchError(
            f"layer_weights has {len(control.layer_weights)} numbers, but ControlNet {net.name!r} acts on {net.parts} "
            f"layers; send {net.parts} numbers"
        )
    region = None if control.region is None else control.region.to(checkpoint.device)
    return replace(control, hint=control.hint.to(checkpoint.device, checkpoint.dtype), region=region)
