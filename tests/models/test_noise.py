"""An image's noise depends on its seed alone."""

from __future__ import annotations

import pytest
import torch

from models.noise import SeededNoise, slerp

SHAPE = (1, 4, 16, 16)


def test_equal_seeds_draw_equal_noise() -> None:
    first = SeededNoise(5)
    draws = [first.gaussian(SHAPE) for _ in range(3)]
    second, other = SeededNoise(5), SeededNoise(6)
    for draw in draws:
        other.gaussian(SHAPE)
        torch.randn(3)
        assert torch.equal(second.gaussian(SHAPE), draw)
    assert not torch.equal(other.gaussian(SHAPE), draws[0])


def test_noise_is_what_a_torch_generator_draws() -> None:
    assert torch.equal(
        SeededNoise(2**32 - 1).initial(SHAPE), torch.randn(SHAPE, generator=torch.Generator().manual_seed(2**32 - 1))
    )


def test_restore_continues_at_the_stored_position() -> None:
    noise = SeededNoise(5)
    noise.gaussian(SHAPE)
    state = noise.state()
    following = noise.gaussian(SHAPE)
    resumed = SeededNoise(5)
    resumed.restore(state)
    assert torch.equal(resumed.gaussian(SHAPE), following)


def test_variations_keep_the_variance() -> None:
    own, other = SeededNoise(1).initial(SHAPE), SeededNoise(2).initial(SHAPE)
    assert torch.equal(SeededNoise(1, [(2, 0.0)]).initial(SHAPE), own)
    assert torch.allclose(SeededNoise(1, [(2, 1.0)]).initial(SHAPE), other, atol=1e-6)
    halfway = SeededNoise(1, [(2, 0.5)]).initial(SHAPE)
    assert halfway.std().item() == pytest.approx(1, abs=0.05)
    assert not torch.allclose(halfway, own, atol=0.1)
    assert not torch.equal(SeededNoise(1, [(2, 0.5), (3, 0.5)]).initial(SHAPE), halfway)


def test_variations_do_not_advance_the_noise() -> None:
    plain, varied = SeededNoise(1), SeededNoise(1, [(2, 0.5)])
    plain.initial(SHAPE)
    varied.initial(SHAPE)
    assert torch.equal(plain.gaussian(SHAPE), varied.gaussian(SHAPE))


def test_slerp_of_parallel_tensors_is_finite() -> None:
    start = torch.ones(8)
    assert torch.allclose(slerp(start, 3 * start, 0.5), 2 * start)


def test_brownian_increments_add_up_and_draw_nothing() -> None:
    noise, over = SeededNoise(9), (0.1, 10.0)
    whole = noise.brownian(SHAPE, over, 8.0, 2.0) * 6**0.5
    halves = noise.brownian(SHAPE, over, 8.0, 4.0) * 4**0.5 + noise.brownian(SHAPE, over, 4.0, 2.0) * 2**0.5
    assert torch.allclose(whole, halves, atol=1e-4)
    assert torch.equal(noise.gaussian(SHAPE), SeededNoise(9).gaussian(SHAPE))


def test_brownian_increments_do_not_depend_on_earlier_ones() -> None:
    over = (0.1, 10.0)
    one, other = SeededNoise(9), SeededNoise(9)
    one.brownian(SHAPE, over, 8.0, 4.0)
    assert torch.equal(one.brownian(SHAPE, over, 4.0, 2.0), other.brownian(SHAPE, over, 4.0, 2.0))


@pytest.mark.parametrize(("height", "width"), [(24, 24), (8, 8), (24, 8), (8, 24)])
def test_centre_of_the_noise_is_that_of_the_other_size(height: int, width: int) -> None:
    """An image of another size starts, in its middle, from the same noise."""
    original = SeededNoise(5).initial((1, 4, 16, 16))
    noise = SeededNoise(5, centre=(16, 16)).initial((1, 4, height, width))
    tall, wide = min(height, 16), min(width, 16)
    top, left = (height - tall) // 2, (width - wide) // 2
    from_top, from_left = (16 - tall) // 2, (16 - wide) // 2
    expected = original[..., from_top : from_top + tall, from_left : from_left + wide]
    assert torch.equal(noise[..., top : top + tall, left : left + wide], expected)


def test_around_the_centre_the_noise_is_that_of_the_size_itself() -> None:
    own = SeededNoise(5).initial((1, 4, 24, 24))
    noise = SeededNoise(5, centre=(16, 16)).initial((1, 4, 24, 24))
    assert torch.equal(noise[..., :4, :], own[..., :4, :])
    assert torch.equal(SeededNoise(5, centre=(24, 24)).initial((1, 4, 24, 24)), own)


def test_variations_vary_the_centre() -> None:
    varied = SeededNoise(5, [(6, 1.0)], centre=(16, 16)).initial((1, 4, 24, 24))
    assert torch.allclose(varied[..., 4:20, 4:20], SeededNoise(6).initial((1, 4, 16, 16)), atol=1e-6)
