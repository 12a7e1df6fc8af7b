"""What fits: reckoned from what was measured, and measured for real on a small net."""

from __future__ import annotations

import torch

from models.diffusion.checkpoint import Checkpoint
from pipelines.engine.engine import Engine
from pipelines.engine.events import Advanced
from pipelines.engine.scheduling.batch_key import BatchKey, key_of
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.scheduling.memory_model import SLACK, Memory, peak_bytes
from pipelines.engine.warmup import warm_up
from pipelines.txt2img import Txt2Img, Txt2ImgParams
from tests.pipelines.conftest import Shelf, images_of, run_dry
from tests.support.trajectories import trajectory

CPU = torch.device("cpu")
MB = 1 << 20


def key(side: int, model: str = "model") -> BatchKey:
    return BatchKey(model, (4, side, side), (77, 768), ())


def test_expected_bytes_scale_with_rows() -> None:
    memory = Memory(lambda: 100 * MB)
    memory.observe(key(64), 2, 30 * MB)
    memory.observe(key(64), 4, 50 * MB)
    assert [memory.expected(key(64), rows) for rows in (1, 2, 3, 4, 8)] == [
        30 * MB,
        30 * MB,
        50 * MB,
        50 * MB,
        100 * MB,
    ]
    assert [memory.fits(key(64), rows) for rows in (8, 9)] == [True, False]


def test_expected_bytes_of_another_size_have_slack() -> None:
    memory = Memory(lambda: 100 * MB)
    memory.observe(key(32), 2, 10 * MB)
    memory.observe(key(64), 2, 30 * MB)
    assert memory.expected(key(96), 2) == int(30 * MB * SLACK * 2.25)
    assert memory.expected(key(16), 2) == int(10 * MB * SLACK)
    assert memory.expected(key(64, "other"), 2) is None
    assert not memory.fits(key(64, "other"), 2)


def test_fits_reads_free_bytes_each_time() -> None:
    free = [100 * MB]
    memory = Memory(lambda: free[0])
    memory.observe(key(64), 2, 30 * MB)
    assert memory.fits(key(64), 6)
    free[0] = 50 * MB
    assert not memory.fits(key(64), 6)


def test_step_beside_the_load_of_a_model_is_not_measured() -> None:
    """Its peak would include the weights, and no batch would seem to fit any more."""
    moves: list[int | None] = [0]
    memory = Memory(lambda: 100 * MB, lambda: moves[0])
    for before, after in ((None, 1), (1, 2), (2, None)):
        moves[0] = before
        with memory.watched(key(64), 2, CPU):
            moves[0] = after
        assert memory.expected(key(64), 2) is None
    moves[0] = 3
    with memory.watched(key(64), 2, CPU):
        pass
    assert memory.expected(key(64), 2) == 0


def test_without_a_limit_everything_fits_unmeasured() -> None:
    memory = Memory()
    with memory.watched(key(64), 2, CPU):
        torch.zeros(MB)
    assert memory.fits(key(64), 1000)
    assert memory.expected(key(64), 2) is None


def test_peak_counts_tensors_alive_at_one_time() -> None:
    before = torch.zeros(MB, dtype=torch.uint8)
    with peak_bytes(CPU) as peak:
        first = before + 1
        second = first + 1
        del first
        third = second.view(2, -1)
        before.add_(1)
        fourth = third + 1
        del second, third, fourth
        before + 1
    assert peak == [2 * MB]


def test_engine_tries_no_batch_that_cannot_fit(sd1: Checkpoint) -> None:
    """One of five images goes first, because nothing is known; then as many as fit, without running out of memory."""
    free = [0]
    memory = Memory(lambda: free[0])
    engine = Engine(Shelf(sd1), Capacity(), memory)
    for seed in range(5):
        engine.add(
            str(seed), Txt2Img(), Txt2ImgParams(text="a boat", model="toy-sd1", w=64, h=64, num_steps=3, seed=seed), {}
        )
    stepped = [len([each for each in engine.step() if isinstance(each, Advanced)])]
    batch_key = key_of(trajectory(sd1))
    one_image = memory.expected(batch_key, 2)
    assert one_image is not None
    free[0] = 2 * one_image
    stepped.append(len([each for each in engine.step() if isinstance(each, Advanced)]))
    assert stepped == [1, 2]
    two_images = memory.expected(batch_key, 4)
    assert two_images is not None
    assert 1.5 < two_images / one_image < 2.1
    assert len(images_of(run_dry(engine))) == 5


def test_warm_up_measures_until_memory_ends(sd1: Checkpoint) -> None:
    memory = Memory(lambda: 1)
    warm_up(sd1, Capacity(), 64, 64, seconds=5.0, memory=memory)
    batch_key = key_of(trajectory(sd1))
    one_image = memory.expected(batch_key, 2)
    assert one_image
    assert memory.expected(batch_key, 4) == 2 * one_image, "two images were not measured"
