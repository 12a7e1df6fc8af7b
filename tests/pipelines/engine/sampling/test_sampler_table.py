"""Extraction, on schedulers small enough to do by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from pipelines.engine.sampling.sampler_table import TableError, extract


class Remembering:
    """A scheduler of one's own: adds the latest `depth` model outputs to the latents."""

    init_noise_sigma = 2.0
    order = 1

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.alphas_cumprod = torch.linspace(1, 0.1, 10)
        self.config = SimpleNamespace(prediction_type="epsilon")
        self.past: list[torch.Tensor] = []

    def set_timesteps(self, steps: int) -> None:
        self.timesteps = torch.arange(steps, 0, -1)

    def scale_model_input(self, latents: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return latents / 4

    def add_noise(self, clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        return clean + timesteps[0] * noise

    def step(
        self, output: torch.Tensor, _: torch.Tensor, latents: torch.Tensor, return_dict: bool
    ) -> tuple[torch.Tensor]:
        assert not return_dict
        self.past = [output, *self.past][: self.depth]
        return (sum(self.past, start=latents),)


class Hidden(Remembering):
    """Steps from latents that it keeps to itself, as predictor-corrector samplers do."""

    def __init__(self) -> None:
        super().__init__(1)
        self.kept: torch.Tensor | float = 0.0
        self.before: torch.Tensor | float = 0.0

    def step(
        self, output: torch.Tensor, _: torch.Tensor, latents: torch.Tensor, return_dict: bool
    ) -> tuple[torch.Tensor]:
        assert not return_dict
        self.kept = latents if not len(self.past) else 0.5 * self.kept + 0.25 * output
        self.past = [latents]
        return (2 * self.kept + output,)


def test_extract_reads_the_coefficients() -> None:
    table = extract(Remembering(4), 6, None)
    assert table.weights[5].tolist() == [1, 0, 0, 0, 1, 1, 1, 1, 0]
    assert table.weights[1].tolist() == [1, 0, 0, 0, 1, 1, 0, 0, 0]
    assert table.S.tolist() == [0.25] * 6
    assert (table.signal, table.sigma, table.reach) == (0, 2, (1, 4))
    assert table.N.tolist() == [[1, 5], [1, 4], [1, 3], [1, 2], [1, 1], [1, 0]]


def test_extract_refuses_a_reach_beyond_four_steps() -> None:
    with pytest.raises(TableError, match="step 6 of 6 does not fit"):
        extract(Remembering(5), 6, None)


def test_extract_resolves_hidden_latents() -> None:
    table = extract(Hidden(), 6, None)
    # x[i+1] = 2·kept[i] + m[i], and kept[i] = kept[i-1]/2 + m[i]/4, where 2·kept[i-1] = x[i] - m[i-1].
    assert table.weights[5] == pytest.approx([0.5, 0, 0, 0, 1.5, -0.5, 0, 0, 0])


class Squaring(Remembering):
    def step(
        self, output: torch.Tensor, _: torch.Tensor, latents: torch.Tensor, return_dict: bool
    ) -> tuple[torch.Tensor]:
        assert not return_dict
        return (latents.clamp(max=0.5).roll(1, -1) + output,)


def test_extract_refuses_a_mix_of_positions() -> None:
    with pytest.raises(TableError):
        extract(Squaring(1), 3, None)
