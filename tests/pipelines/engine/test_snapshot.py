"""A snapshot as bytes continues a task bit for bit."""

import numpy as np
import pytest
import torch

from pipelines.engine.engine import Engine
from pipelines.engine.snapshot import Snapshot, SnapshotFormatError
from pipelines.txt2img import Txt2Img
from tests.pipelines.conftest import EvenCapacity, Shelf, images_of, run_dry
from tests.support.diffusers_reference import txt2img_params

TXT2IMG = Txt2Img()


@pytest.mark.parametrize("steps_before", [0, 2, 6])
def test_snapshot_bytes_continue_a_task_bit_for_bit(shelf: Shelf, steps_before: int) -> None:
    """Two images, parked in the first or in the second pass."""
    params = txt2img_params(1, sampler="dpmpp_2m", num_samples=2, highres_info={"upscale_factor": 1.5})
    first, second = Engine(shelf, EvenCapacity()), Engine(shelf, EvenCapacity())
    first.add("whole", TXT2IMG, params, {})
    expected = images_of(run_dry(first))["whole"]
    first.add("task", TXT2IMG, params, {})
    for _ in range(steps_before):
        first.step()
    snapshot = first.park("task")
    assert snapshot is not None
    second.add("task", TXT2IMG, params, {}, Snapshot.from_bytes(snapshot.to_bytes()))
    assert all(map(np.array_equal, images_of(run_dry(second))["task"], expected))


def test_snapshot_keeps_empty_yields() -> None:
    state = {"index": torch.tensor(3), "noise": torch.zeros(5, dtype=torch.uint8)}
    restored = Snapshot.from_bytes(Snapshot(((), (state,))).to_bytes())
    assert [len(states) for states in restored.yields] == [0, 1]
    assert restored.yields[1][0]["index"] == 3


@pytest.mark.parametrize(
    "data",
    [b"", b"nonsense", Snapshot().to_bytes().replace(b'"form":"1"', b'"form":"0"')],
    ids=["empty", "nonsense", "another format"],
)
def test_from_bytes_refuses_unknown_formats(data: bytes) -> None:
    with pytest.raises(SnapshotFormatError):
        Snapshot.from_bytes(data)
