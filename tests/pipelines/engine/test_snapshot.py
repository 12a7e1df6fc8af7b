"""A parked task travels as bytes and ends in the identical image."""

import numpy as np
import pytest
import torch

from pipelines.engine.engine import Engine
from pipelines.engine.recipe_run import Parked
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.snapshot import ParkedFormError, packed, unpacked
from pipelines.txt2img import Txt2Img
from tests.pipelines.conftest import Shelf, images_of, run_dry
from tests.pipelines.engine.test_engine import wish

TXT2IMG = Txt2Img()


@pytest.mark.parametrize("steps_before", [0, 2, 6])
def test_it_goes_on_elsewhere_bit_for_bit(shelf: Shelf, steps_before: int) -> None:
    """Two images, in the first or in the second pass."""
    wanted = wish(1, sampler="dpmpp_2m", num_samples=2, highres_info={"upscale_factor": 1.5})
    here, elsewhere = Engine(shelf, Capacity()), Engine(shelf, Capacity())
    here.add("whole", TXT2IMG, wanted, {})
    whole = images_of(run_dry(here))["whole"]
    here.add("task", TXT2IMG, wanted, {})
    for _ in range(steps_before):
        here.step()
    parked = here.park("task")
    assert parked is not None
    elsewhere.add("task", TXT2IMG, wanted, {}, unpacked(packed(parked)))
    assert all(map(np.array_equal, images_of(run_dry(elsewhere))["task"], whole))


def test_a_yield_of_nothing_keeps_its_place() -> None:
    state = {"index": torch.tensor(3), "noise": torch.zeros(5, dtype=torch.uint8)}
    again = unpacked(packed(Parked(((), (state,)))))
    assert [len(states) for states in again.yields] == [0, 1]
    assert again.yields[1][0]["index"] == 3


@pytest.mark.parametrize(
    "data",
    [b"", b"nonsense", packed(Parked()).replace(b'"form":"1"', b'"form":"0"')],
    ids=["nothing", "nonsense", "another form"],
)
def test_what_cannot_be_continued_is_told_apart(data: bytes) -> None:
    with pytest.raises(ParkedFormError):
        unpacked(data)
