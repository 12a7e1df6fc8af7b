import torch
from torch import nn

from models.host_memory import copy_to_host


def test_copy_shares_no_memory_and_keeps_dtype_and_layout() -> None:
    weight = nn.Parameter(torch.randn(2, 3, 4, 4).half().to(memory_format=torch.channels_last))
    copy = copy_to_host(weight)
    assert torch.equal(copy, weight)
    assert (copy.dtype, copy.stride()) == (torch.float16, weight.stride())
    assert copy.data_ptr() != weight.data_ptr()
    assert not copy.requires_grad
