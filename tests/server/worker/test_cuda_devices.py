"""A device process sees one device, whichever way the devices of this machine are named."""

import pytest

from server.worker.cuda_devices import only_device


@pytest.mark.parametrize(
    ("device", "visible", "name", "left"),
    [
        ("cuda:2", None, "cuda:0", "2"),
        ("cuda", None, "cuda:0", "0"),
        ("cuda:1", "3,5", "cuda:0", "5"),
        ("cuda:1", "GPU-8932f937, GPU-46c3d2a1", "cuda:0", "GPU-46c3d2a1"),
        ("cuda:0", "MIG-1c2d3e4f", "cuda:0", "MIG-1c2d3e4f"),
        ("cuda:1", "0", "cuda:1", None),
        ("cuda:1", "", "cuda:1", None),
        ("cpu", "0", "cpu", None),
        ("auto", "0", "auto", None),
    ],
)
def test_other_devices_are_hidden(device: str, visible: str | None, name: str, left: str | None) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    hidden = {} if left is None else {"CUDA_VISIBLE_DEVICES": left}
    assert only_device(device, environment) == (name, hidden)
