import torch

from models.catalog.catalog import Catalog
from models.registry import loaders
from models.vision.upscaler import Upscaler

CPU = torch.device("cpu")


def test_load_uses_the_loader_of_the_family(toys: Catalog) -> None:
    model = loaders.load(toys.find("esr"), CPU, torch.float32)
    assert isinstance(model, Upscaler)
    assert (model.name, model.family) == ("toy-esrgan", "upscaler")


def test_dtype_is_half_on_cuda_and_single_on_the_cpu() -> None:
    assert loaders.dtype_for(torch.device("cuda:1")) == torch.float16
    assert loaders.dtype_for(CPU) == torch.float32
