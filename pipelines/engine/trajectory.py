"""One Denoise under way: plain tensors and a step index, nothing that could not be carried to another device."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Literal

import torch

from models.conditioning import Conditioning
from pipelines.engine.device_transfer import to_device_async
from pipelines.engine.sampling import samplers
from pipelines.engine.sampling.sampler_table import Draw
from pipelines.pipeline import ControlInput, Denoise, PreservedRegion

State = dict[str, torch.Tensor]
"""A trajectory at rest, on the CPU: `index`, `latents` and `outputs` [deep, channels, h, w], `noise` (uint8), and
`deep`, if the next step needs it."""
Depth = Literal["whole", "kept", "shallow"]
"""How deep the denoiser goes in a step: all the way; so that its deep features are kept; or only where they are not."""


class SourceShapeError(ValueError):
    """The latents to start from are not of the size that was asked for."""

    code = "bad_input"


class InpaintingOnlyError(ValueError):
    """A checkpoint for inpainting was asked for a whole picture, without a mask to look at."""

    code = "bad_input"


class ControlMismatchError(ValueError):
    """A ControlNet was made for checkpoints of another kind, or a hint is of another size than the image."""

    code = "bad_input"


class Trajectory:
    """Latents on their way from noise to image, float32 on the checkpoint's device.

    `latents` and `outputs` hold the past that the sampler may still ask for, latest first, each [channels, h, w].
    """

    def __init__(self, denoise: Denoise, state: State | None = None) -> None:
        checkpoint = denoise.checkpoint
        self.denoise = denoise
        self.shape = (checkpoint.channels, denoise.height // checkpoint.factor, denoise.width // checkpoint.factor)
        strength = None if denoise.source is None else denoise.strength
        self.table = samplers.table(
            checkpoint.scheduler_config, denoise.sampler, denoise.sigmas, denoise.steps, strength, denoise.spacing
        )
        self._drawn: torch.Tensor | None = None
        self._noise_before = denoise.noise.state()
        self._seen: tuple[torch.Tensor, torch.Tensor] | None = None
        self.index = 0
        self.outputs: list[torch.Tensor] = []
        self.deep: tuple[torch.Tensor, ...] = ()
        """Deep features of the latest whole pass, of the negative's row, if there was one, and of the prompt's."""
        self.beside = self._beside()
        self._controls = sorted((_usable(each, denoise) for each in denoise.controls), key=lambda each: each.net.name)
        noise = denoise.initial if denoise.initial is not None else denoise.noise.initial((1, *self.shape))
        self._initial = noise[0].to(checkpoint.device)
        self._style = self._styled()
        self._kept = None if denoise.kept is None else _on(checkpoint.device, denoise.kept)
        if state is None:
            self.latents = [self._start()]
        else:
            self._restore(state)

    @property
    def controls(self) -> list[ControlInput]:
        """Those that act on the present step, by the name of their net; hints are on the device."""
        return [each for each in self._controls if each.strength and self._within(each.start, each.end)]

    @property
    def negative(self) -> Conditioning | None:
        """What the present step is steered away from, if anything."""
        return self.denoise.negative if self._within(*self.denoise.guidance_interval) else None

    @property
    def rows(self) -> int:
        """Rows it takes in a forward pass: two with guidance."""
        return 1 if self.negative is None else 2

    @property
    def depth(self) -> Depth:
        """How deep the present step goes; all the way too where guidance sets in, for the negative has nothing yet."""
        if self.denoise.deep_cache == 1:
            return "whole"
        known = len(self.deep) >= self.rows
        return "shallow" if known and self.index % self.denoise.deep_cache else "kept"

    @property
    def ahead(self) -> Counter[Depth]:
        """How many steps there still are, by how deep they go, if guidance does not set in on the way."""
        every, steps = self.denoise.deep_cache, range(self.index, len(self.table))
        if every == 1:
            return Counter({"whole": len(steps)})
        return Counter("shallow" if index % every else "kept" for index in steps)

    @property
    def done(self) -> bool:
        return self.index == len(self.table)

    @property
    def clean(self) -> torch.Tensor:
        """The latents as they stand, [1, channels, h, w]."""
        return self.latents[0][None]

    @property
    def guess(self) -> torch.Tensor:
        """What the latest step took the clean latents to be, [1, channels, h, w]."""
        if self._seen is None:
            return self.clean
        of_latents, of_output = self.table.G[self.index - 1].tolist()
        latents, output = self._seen
        clean: torch.Tensor = of_latents * latents + of_output * output
        return clean[None]

    @property
    def reference(self) -> torch.Tensor | None:
        """What the denoiser is to look at beside the present latents, [inputs, h, w], as noisy and scaled as they are.

        Its noise is that of the image turned around: the same noise would tie each place to the same of the reference.
        """
        if self._style is None:
            return None
        signal, sigma = self.table.V[self.index].tolist()
        noisy: torch.Tensor = signal * self._style + sigma * self._initial.flip(1, 2)
        if self.beside is None:
            return noisy
        nothing_to_paint = torch.zeros_like(self._style[:1])
        return torch.cat([noisy, nothing_to_paint, self._style])

    def noise(self) -> torch.Tensor | None:
        """The noise of this step, [channels, h, w], None if it needs none; the same until it is advanced."""
        draw = self.table.draws[self.index]
        if draw is not None and self._drawn is None:
            self._noise_before = self.denoise.noise.state()
            self._drawn = to_device_async(self._draw(draw), self.denoise.checkpoint.device)
        return self._drawn if self.table.weights[self.index, -1] else None

    def draw_ahead(self) -> None:
        """Draws what the next step needs and sends it on its way to the device, which is at work meanwhile."""
        if not self.done:
            self.noise()

    def advance(self, latents: torch.Tensor, output: torch.Tensor, deep: tuple[torch.Tensor, ...] = ()) -> None:
        """Takes the step: `output` is what the model made of the present latents, `latents` are the next ones, `deep`
        are the deep features that are to be kept, if any are."""
        self._seen = self.latents[0], output
        latents = self._with_kept(latents)
        latents_deep, outputs_deep = self.table.reach
        self.latents = [latents, *self.latents][: max(latents_deep, 1)]
        self.outputs = [output, *self.outputs][: max(outputs_deep - 1, 0)]
        self.deep = deep or self.deep
        self._drawn = None
        self.index += 1

    def state(self) -> State:
        """Everything that decides how it goes on; the tables and the conditioning follow from the Denoise."""
        deep = {"deep": torch.stack(self.deep).cpu()} if not self.done and self.depth == "shallow" else {}
        return {
            **deep,
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
        """Whether the present step lies in these shares of them all."""
        steps = max(len(self.table), 1)
        return self.index / steps >= begin and (self.index + 1) / steps <= end

    def _start(self) -> torch.Tensor:
        device, source = self.denoise.checkpoint.device, self.denoise.source
        if source is not None and source.shape[1:] != self.shape:
            raise SourceShapeError(
                f"source latents are {tuple(source.shape[1:])} where {self.denoise.width}×{self.denoise.height} pixels "
                f"need {self.shape}; resize the source image first"
            )
        if source is not None and not len(self.table):
            return source[0].to(device, torch.float32)
        latents = self.table.sigma * self._initial
        return latents if source is None else latents + self.table.signal * source[0].to(device, torch.float32)

    def _beside(self) -> torch.Tensor | None:
        """What the denoiser is shown beside the latents, [inputs - channels, h, w] in the checkpoint's dtype."""
        checkpoint, beside = self.denoise.checkpoint, self.denoise.beside
        if beside is not None:
            return beside[0].to(checkpoint.device, checkpoint.dtype)
        if checkpoint.inputs != checkpoint.channels:
            raise InpaintingOnlyError(
                f"model {checkpoint.name!r} is for inpainting and paints masked areas only; "
                "use a plain model here, or one of the inpainting tasks"
            )
        return None

    def _styled(self) -> torch.Tensor | None:
        checkpoint, style = self.denoise.checkpoint, self.denoise.checkpoint.style
        return None if style is None else style.latents(checkpoint.encode, self.denoise.width, self.denoise.height)[0]

    def _with_kept(self, latents: torch.Tensor) -> torch.Tensor:
        """The next latents, with the picture put back around what is painted."""
        if self._kept is None:
            return latents
        signal, sigma = self.table.N[self.index].tolist()
        return torch.where(self._kept.mask > 0, latents, signal * self._kept.picture + sigma * self._initial)

    def _restore(self, state: State) -> None:
        device = self.denoise.checkpoint.device
        self.index = int(state["index"])
        self.latents = list(state["latents"].to(device).unbind())
        self.outputs = list(state["outputs"].to(device).unbind())
        self.denoise.noise.restore(state["noise"])
        if "deep" in state:
            self.deep = state["deep"].to(device).unbind()


def _on(device: torch.device, kept: PreservedRegion) -> PreservedRegion:
    """Of one image, [channels, h, w] and [1, h, w], float32 on the device."""
    return PreservedRegion(kept.picture[0].to(device, torch.float32), kept.mask[0].to(device, torch.float32))


def _usable(control: ControlInput, denoise: Denoise) -> ControlInput:
    """The control with its hint on the device. Raises ControlMismatchError."""
    net, checkpoint = control.net, denoise.checkpoint
    width, (height, across) = denoise.positive.embeds.shape[-1], control.hint.shape[2:]
    if net.width != width:
        raise ControlMismatchError(
            f"ControlNet {net.name!r} reads text of width {net.width}, model {checkpoint.name!r} of family "
            f"{checkpoint.family} gives {width}; use a ControlNet that was made for this family"
        )
    if (across, height) != (denoise.width, denoise.height):
        raise ControlMismatchError(
            f"a hint is {across}×{height} where {denoise.width}×{denoise.height} is painted; send one of that size"
        )
    return replace(control, hint=control.hint.to(checkpoint.device, checkpoint.dtype))
