import pytest
import torch

from pipelines.params.high_res import HighRes


def test_size_is_rounded_to_multiples_of_8() -> None:
    assert HighRes(upscale_factor=1.5).size(512, 520) == (768, 784)


def test_enlarge_resizes_latents_by_the_method() -> None:
    latents = torch.arange(4.0).reshape(1, 1, 2, 2)
    enlarged = HighRes(upscale_method="nearest").enlarge(latents, width=4, height=2)
    assert enlarged.tolist() == [[[[0, 0, 1, 1], [2, 2, 3, 3]]]]


@pytest.mark.parametrize(("fidelity", "steps"), [(0.0, 20), (0.5, 40), (0.75, 80)])
def test_steps_leave_as_many_to_run_at_any_fidelity(fidelity: float, steps: int) -> None:
    assert HighRes(fidelity=fidelity).steps(20) == pytest.approx(steps, abs=1)
