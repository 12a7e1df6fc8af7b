import torch

from server.worker.torch_device import device_for, title, total_bytes, used_bytes

CPU = torch.device("cpu")


def test_device_for_names_devices() -> None:
    assert device_for("cpu") == CPU
    assert device_for("cuda:1") == torch.device("cuda", 1)
    assert device_for("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_cpu_memory_is_that_of_the_machine() -> None:
    assert title(CPU) == "CPU"
    assert 0 < used_bytes(CPU) < total_bytes(CPU)
