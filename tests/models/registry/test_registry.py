import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from models import catalog
from models.catalog.catalog import Catalog, UnknownModelError
from models.catalog.entry import ModelEntry
from models.catalog.scan import Problem
from models.device_faults import DeviceLostError, raise_if_lost
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.eraser import ERASER
from models.kinds.kind import ModelRef
from models.kinds.upscaler import UPSCALER
from models.loaded_model import LoadedModel
from models.registry import loaders
from models.registry.handle import ModelHandle, ModelLoadError
from models.registry.registry import Registry
from tests.support.fake_cuda import ILLEGAL_ADDRESS, cuda_error, fake_cuda

CPU = torch.device("cpu")
MB = 1 << 20
PLENTY = 1 << 40
TWO_TOYS = 40 * MB
"""Room for toy-sd1 (25 MB) and one of the others (9 to 12 MB), but not for all three."""
ONE_TOY = 12 * MB
"""Room for one of the smaller toys; toy-sd1 is above the budget and loaded alone."""
LONG_S = 60.0


class Loads(list[str]):
    """The real loader; records the names of what it loads."""

    def __call__(self, entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> LoadedModel:
        self.append(entry.name)
        return loaders.load(entry, device, dtype)


@pytest.fixture
def loads() -> Loads:
    return Loads()


@pytest.fixture
def registry_of(toys: Catalog, loads: Loads) -> Iterator[Callable[..., Registry]]:
    registries: list[Registry] = []

    def make(device_bytes: int, host_bytes: int = 0, models: Catalog = toys) -> Registry:
        registries.append(Registry(models, CPU, torch.float32, device_bytes, host_bytes, loads))
        return registries[-1]

    yield make
    for registry in registries:
        registry.close()


def use(registry: Registry, *names: str) -> None:
    with registry.acquire(names) as handle:
        assert handle.wait(LONG_S)


def test_handle_is_ready_once_its_models_are_on_the_device(registry_of: Callable[..., Registry]) -> None:
    registry = registry_of(PLENTY)
    assert registry.resident == ()
    with registry.acquire(["v1.5", "toy-sdxl"]) as handle:
        assert handle.wait(LONG_S)
        assert handle.ready
        assert handle.get(ModelRef(CHECKPOINT)).name == handle.get(ModelRef(CHECKPOINT, "general")).name == "toy-sd1"
        assert set(registry.resident) == {"toy-sd1", "toy-sdxl"}
        assert registry.bytes == sum(handle.get(ModelRef(CHECKPOINT, name)).bytes for name in handle.slots) > 15 * MB
        with pytest.raises(KeyError, match="not pinned"):
            handle.get(ModelRef(CHECKPOINT, "toy-sd2"))
    assert registry.acquire(["toy-sd1"]).ready


def test_models_of_all_families_share_the_budget(registry_of: Callable[..., Registry], loads: Loads) -> None:
    registry = registry_of(5 * MB, host_bytes=PLENTY)
    with registry.acquire(["esr", "lama"]) as handle:
        assert handle.wait(LONG_S)
        weight = handle.get(ModelRef(UPSCALER, "esr")).bytes + handle.get(ModelRef(ERASER, "toy-lama")).bytes
        assert registry.bytes == weight > 2 * MB
    use(registry, "toy-sd1")
    assert registry.resident == ("toy-sd1",)
    with registry.acquire(["esr"]) as handle:
        assert handle.wait(LONG_S)
        assert handle.get(ModelRef(UPSCALER, "esr")).scale == 4
    assert loads == ["toy-esrgan", "toy-lama", "toy-sd1"]


def test_acquire_refuses_unknown_names(registry_of: Callable[..., Registry]) -> None:
    with pytest.raises(UnknownModelError):
        registry_of(PLENTY).acquire(["toy-sd1", "toy-sd9"])


def test_least_recently_used_model_is_evicted(registry_of: Callable[..., Registry]) -> None:
    registry = registry_of(TWO_TOYS)
    for name in ("toy-sd1", "toy-sd2", "toy-sd1", "toy-sdxl"):
        use(registry, name)
    assert registry.resident == ("toy-sdxl", "toy-sd1")
    assert registry.bytes <= TWO_TOYS


def test_evicted_model_returns_from_host_memory(registry_of: Callable[..., Registry], loads: Loads) -> None:
    registry = registry_of(ONE_TOY, host_bytes=PLENTY)
    with registry.acquire(["toy-sd1"]) as handle:
        assert handle.wait(LONG_S)
        first = handle.get(ModelRef(CHECKPOINT, "toy-sd1"))
    use(registry, "toy-sd2")
    assert registry.resident == ("toy-sd2",)
    with registry.acquire(["toy-sd1"]) as handle:
        assert handle.wait(LONG_S)
        assert handle.get(ModelRef(CHECKPOINT, "toy-sd1")) is first
    assert loads == ["toy-sd1", "toy-sd2"]


def test_host_memory_has_a_budget(registry_of: Callable[..., Registry], loads: Loads) -> None:
    registry = registry_of(ONE_TOY, host_bytes=ONE_TOY)
    for name in ("toy-sd1", "toy-sd2", "toy-sdxl", "toy-sd2", "toy-sd1"):
        use(registry, name)
    assert loads == ["toy-sd1", "toy-sd2", "toy-sdxl", "toy-sd1"]


def test_pinned_model_is_not_evicted(registry_of: Callable[..., Registry]) -> None:
    registry = registry_of(ONE_TOY)
    first = registry.acquire(["toy-sd1"])
    assert first.wait(LONG_S)
    second = registry.acquire(["toy-sd2"])
    assert not second.wait(0.2)
    assert registry.resident == ("toy-sd1",)
    first.release()
    assert second.wait(LONG_S)
    assert registry.resident == ("toy-sd2",)


def test_models_above_the_budget_are_loaded_alone(registry_of: Callable[..., Registry]) -> None:
    registry = registry_of(1)
    use(registry, "toy-sd1", "toy-sd2")
    assert set(registry.resident) == {"toy-sd1", "toy-sd2"}
    use(registry, "toy-sdxl")
    assert registry.resident == ("toy-sdxl",)


def test_model_larger_than_its_file_evicts_others(registry_of: Callable[..., Registry], toys: Catalog) -> None:
    with registry_of(PLENTY).acquire(["toy-sd1"]) as handle:
        assert handle.wait(LONG_S)
        in_memory, on_disk = handle.get(ModelRef(CHECKPOINT, "toy-sd1")).bytes, toys.find("toy-sd2").bytes
    assert on_disk < in_memory
    registry = registry_of(in_memory + on_disk)
    use(registry, "toy-sd1")
    use(registry, "toy-sd2")
    assert registry.resident == ("toy-sd2",)


def test_waiting_load_is_not_overtaken_for_ever(registry_of: Callable[..., Registry]) -> None:
    registry = registry_of(ONE_TOY)
    running = registry.acquire(["toy-sd1"])
    assert running.wait(LONG_S)
    waiting = registry.acquire(["toy-sd2"])
    assert not waiting.wait(0.2)
    newcomer = registry.acquire(["toy-sd1"])
    assert not newcomer.ready
    running.release()
    assert waiting.wait(LONG_S)
    assert not newcomer.ready
    waiting.release()
    assert newcomer.wait(LONG_S)


def test_handles_for_the_same_models_do_not_deadlock(registry_of: Callable[..., Registry]) -> None:
    registry = registry_of(ONE_TOY)
    running = registry.acquire(["toy-sd1"])
    assert running.wait(LONG_S)
    both = [registry.acquire(["toy-sd1", "toy-sd2"]), registry.acquire(["toy-sd2", "toy-sd1"])]
    running.release()
    for handle in both:
        assert handle.wait(LONG_S)
        handle.release()


def test_released_waiting_handle_lets_the_next_in(registry_of: Callable[..., Registry], loads: Loads) -> None:
    registry = registry_of(ONE_TOY)
    running = registry.acquire(["toy-sd1"])
    assert running.wait(LONG_S)
    waiting, following = registry.acquire(["toy-sd2"]), registry.acquire(["toy-sd1"])
    assert not waiting.wait(0.1)
    waiting.release()
    waiting.release()
    assert following.wait(LONG_S)
    assert loads == ["toy-sd1"]


def test_failed_load_is_reported_and_blocks_no_other(
    registry_of: Callable[..., Registry], models_dir: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(models_dir, tmp_path / "models")
    registry = registry_of(PLENTY, models=catalog.read(folder))
    (folder / "toy-sd2" / "unet").rename(folder / "away")
    with registry.acquire(["toy-sd1", "toy-sd2"]) as handle:
        for _ in range(2):
            with pytest.raises(ModelLoadError, match=r"model 'toy-sd2' could not be loaded: .*unet does not exist"):
                handle.wait(LONG_S)
    assert list(registry.broken) == ["toy-sd2"]
    use(registry, "toy-sd1")
    (folder / "away").rename(folder / "toy-sd2" / "unet")
    use(registry, "toy-sd2")
    assert registry.broken == {}


def test_error_without_a_code_names_the_file(toys: Catalog) -> None:
    def fail(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> LoadedModel:
        raise KeyError("conv_in.weight")

    registry = Registry(toys, CPU, torch.float32, PLENTY, 0, fail)
    with registry.acquire(["toy-sd1"]) as handle, pytest.raises(ModelLoadError):
        handle.wait(LONG_S)
    assert registry.broken["toy-sd1"].startswith(f"{toys.find('toy-sd1').path.name}: 'conv_in.weight'")
    registry.close()


def test_model_without_room_on_the_device_fails_with_advice(toys: Catalog) -> None:
    def fail(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> LoadedModel:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    registry = Registry(toys, CPU, torch.float32, PLENTY, 0, fail)
    message = "'toy-sd1' could not be loaded: the device has too little memory left for it; lower HUA_DEVICE_MEMORY"
    with registry.acquire(["toy-sd1"]) as handle, pytest.raises(ModelLoadError, match=message) as raised:
        handle.wait(LONG_S)
    assert raised.value.code == "out_of_memory"
    registry.close()


def test_models_that_the_catalog_cannot_use_are_broken(toys: Catalog) -> None:
    problem = Problem(Path("x.ckpt"), "x.ckpt is a pickle", ("x",))
    registry = Registry(Catalog(toys.entries, [problem]), CPU, torch.float32, PLENTY, 0)
    assert registry.broken == {"x": "x.ckpt is a pickle"}
    registry.close()


def test_many_threads_at_once(registry_of: Callable[..., Registry]) -> None:
    registry = registry_of(TWO_TOYS, host_bytes=PLENTY)
    names = ("toy-sd1", "toy-sd2", "toy-sdxl")
    wrong: list[str] = []

    def work(seed: int) -> None:
        choose = random.Random(seed)
        for _ in range(30):
            sample = choose.sample(names, choose.randint(1, 2))
            with registry.acquire(sample) as handle:
                if not handle.wait(LONG_S) or not set(sample) <= set(registry.resident):
                    wrong.append(f"{sample} not resident: {registry.resident}")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    use(registry, "toy-sd1")
    assert registry.bytes <= TWO_TOYS


def with_stamp(models: Catalog, name: str, stamp: str) -> Catalog:
    """The same catalog after the file of one model has changed."""
    return Catalog(entry.model_copy(update={"stamp": stamp}) if entry.name == name else entry for entry in models)


def without(models: Catalog, name: str) -> Catalog:
    return Catalog(entry for entry in models if entry.name != name)


def eraser(handle: ModelHandle) -> LoadedModel:
    assert handle.wait(LONG_S)
    return handle.get(ModelRef(ERASER, "toy-lama"))


def test_added_model_can_be_used(registry_of: Callable[..., Registry], toys: Catalog) -> None:
    registry = registry_of(PLENTY, models=without(toys, "toy-lama"))
    with pytest.raises(UnknownModelError):
        registry.acquire(["toy-lama"])
    registry.follow(toys)
    use(registry, "toy-lama")


def test_changed_file_is_loaded_for_new_tasks_while_others_keep_the_old_weights(
    registry_of: Callable[..., Registry], toys: Catalog, loads: Loads
) -> None:
    registry = registry_of(PLENTY)
    running = registry.acquire(["toy-lama"])
    old = eraser(running)
    registry.follow(with_stamp(toys, "toy-lama", "new"))
    assert registry.resident == ()
    with registry.acquire(["toy-lama"]) as handle:
        new = eraser(handle)
        assert new is not old
        assert eraser(running) is old
        assert registry.bytes == old.bytes + new.bytes
        assert registry.resident == ("toy-lama",)
    running.release()
    dropped(registry, new.bytes)
    assert loads == ["toy-lama", "toy-lama"]
    with registry.acquire(["toy-lama"]) as handle:
        assert eraser(handle) is new


def dropped(registry: Registry, left_bytes: int) -> None:
    """Waits until the background thread has dropped all but so many bytes."""
    while registry.bytes > left_bytes:
        threading.Event().wait(0.005)


def test_removed_model_leaves_after_its_last_user(registry_of: Callable[..., Registry], toys: Catalog) -> None:
    registry = registry_of(PLENTY)
    running = registry.acquire(["toy-lama"])
    old = eraser(running)
    registry.follow(without(toys, "toy-lama"))
    with pytest.raises(UnknownModelError):
        registry.acquire(["toy-lama"])
    assert eraser(running) is old
    running.release()
    dropped(registry, 0)
    assert running.slots["toy-lama"].model is None


def test_evicted_model_of_a_changed_file_is_loaded_anew(
    registry_of: Callable[..., Registry], toys: Catalog, loads: Loads
) -> None:
    registry = registry_of(1, host_bytes=PLENTY)
    for name in ("toy-lama", "toy-esrgan"):
        use(registry, name)
    registry.follow(with_stamp(toys, "toy-lama", "new"))
    use(registry, "toy-lama")
    assert loads == ["toy-lama", "toy-esrgan", "toy-lama"]


def test_change_of_a_title_loads_nothing_anew(
    registry_of: Callable[..., Registry], toys: Catalog, loads: Loads
) -> None:
    registry = registry_of(PLENTY)
    use(registry, "toy-lama")
    registry.follow(Catalog(entry.model_copy(update={"title": "new", "licence": "MIT"}) for entry in toys))
    use(registry, "toy-lama")
    assert loads == ["toy-lama"]
    assert registry.acquire(["toy-lama"]).entries[0].title == "new"


def test_model_in_use_gives_no_room_to_its_changed_file(registry_of: Callable[..., Registry], toys: Catalog) -> None:
    """Both together are above the budget, so the new one waits for the users of the old one."""
    registry = registry_of(1)
    running = registry.acquire(["toy-lama"])
    old = eraser(running)
    registry.follow(with_stamp(toys, "toy-lama", "new"))
    waiting = registry.acquire(["toy-lama"])
    assert not waiting.wait(0.1)
    running.release()
    assert eraser(waiting) is not old
    dropped(registry, old.bytes)


def test_handle_in_line_gets_the_newest_model(registry_of: Callable[..., Registry], toys: Catalog) -> None:
    registry = registry_of(1)
    running = registry.acquire(["toy-esrgan"])
    assert running.wait(LONG_S)
    first, changed, removed = (registry.acquire([name]) for name in ("toy-matting", "toy-lama", "toy-safety"))
    registry.follow(without(with_stamp(toys, "toy-lama", "new"), "toy-safety"))
    for handle in (running, first):
        handle.release()
    assert changed.wait(LONG_S)
    assert changed.entries[0].stamp == "new"
    changed.release()
    with pytest.raises(ModelLoadError, match="'toy-safety' was removed from the models folder") as raised:
        removed.wait(LONG_S)
    assert raised.value.code == "bad_model"


def test_broken_model_whose_file_changes_is_not_broken_any_more(toys: Catalog) -> None:
    def fail(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> LoadedModel:
        raise OSError("torn")

    registry = Registry(toys, CPU, torch.float32, PLENTY, 0, fail)
    with registry.acquire(["toy-lama"]) as handle, pytest.raises(ModelLoadError):
        handle.wait(LONG_S)
    registry.follow(toys)
    assert list(registry.broken) == ["toy-lama"]
    registry.follow(with_stamp(toys, "toy-lama", "new"))
    assert registry.broken == {}
    registry.close()


def test_registry_says_why_its_thread_has_ended(registry_of: Callable[..., Registry], toys: Catalog) -> None:
    """Returning the memory of a model fails. If the thread alone ended, nothing would be loaded, without an error."""
    registry = registry_of(PLENTY)
    use(registry, "toy-sd2")
    assert registry.failure is None
    with fake_cuda() as cuda:
        cuda.errors["empty_cache"] = cuda_error(ILLEGAL_ADDRESS)
        registry.follow(Catalog(()))
        while registry.failure is None:
            time.sleep(0.01)
    assert "700" in str(registry.failure)


def test_lost_device_is_the_cause_of_a_failed_load(registry_of: Callable[..., Registry], toys: Catalog) -> None:
    def lose(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> LoadedModel:
        raise cuda_error(ILLEGAL_ADDRESS)

    registry = Registry(toys, CPU, torch.float32, PLENTY, 0, lose)
    with registry.acquire(["toy-sd2"]) as handle, pytest.raises(ModelLoadError) as failed:
        handle.wait(LONG_S)
    with pytest.raises(DeviceLostError):
        raise_if_lost(failed.value)
    registry.close()
