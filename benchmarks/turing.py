"""Checks, without a GPU, that the kernels that torch.compile writes for SD 1.5 compile for a Turing GPU.

    python -m benchmarks.turing [unet] [decoder] [package]

traces a guided UNet step, the VAE's decoder, and the compiled step (`models.compiled.compile_worker`), at full size on
tensors without data. Inductor writes its Triton kernels for a simulated Tesla T4. Each kernel is compiled to machine
code for sm_75, with the launch settings that Inductor itself would choose or try. Nothing runs, so the result shows
that the kernels compile, not how fast they are.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, patch

import torch
import torch._inductor.config as inductor
import triton
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from torch._dynamo.device_interface import CudaInterface
from torch._guards import detect_fake_mode
from torch._inductor import compile_fx
from torch._inductor.async_compile import AsyncCompile
from torch._inductor.codecache import _load_triton_kernel_from_source
from torch._inductor.graph import GraphLowering
from torch._inductor.runtime import triton_helpers
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx
from triton.backends.compiler import GPUTarget
from triton.runtime import driver

from models.compiled.compile_worker import exported
from models.compiled.forward_pass import ForwardPassSpec, flatten_inputs
from models.compiled.options import OPTIONS
from models.patches.cross_attention_cache import keys_and_values, text_layers
from models.weights import CONFIGS

Traced = tuple[Any, list[Tensor]]
"""A graph, and inputs without data for it."""
SM = 75
T4 = SimpleNamespace(
    name="Tesla T4",
    major=7,
    minor=5,
    multi_processor_count=40,
    total_memory=16 << 30,
    warp_size=32,
    regs_per_multiprocessor=65536,
    max_threads_per_multi_processor=1024,
    max_threads_per_block=1024,
    shared_memory_per_block=48 << 10,
    shared_memory_per_block_optin=64 << 10,
    L2_cache_size=4 << 20,
)
"""The device properties that CUDA reports."""
CUDA_ANSWERS: dict[str, Callable[..., Any]] = {
    "is_available": lambda *_: True,
    "device_count": lambda: 1,
    "current_device": lambda: 0,
    "get_device_properties": lambda *_: T4,
    "get_device_capability": lambda *_: (7, 5),
    "get_device_name": lambda *_: T4.name,
    "is_bf16_supported": lambda *_, **__: False,
    "synchronize": lambda *_: None,
    "get_rng_state": lambda *_: torch.get_rng_state(),
    "set_rng_state": lambda *_: None,
}
SETTINGS = {
    **OPTIONS,  # as the engine compiles its passes
    "fx_graph_cache": False,
    "compile_threads": 1,
    "use_static_cuda_launcher": False,
}


@dataclass
class GeneratedCode:
    """What Inductor wrote for one net."""

    sources: dict[str, str] = field(default_factory=dict)
    """Sources of the Triton kernels by name."""
    launches: Counter[str] = field(default_factory=Counter)
    """Launches of one pass of the net, by library."""

    def record(self, name: str, source: str, device_str: str = "cuda") -> MagicMock:
        """Replaces the function that compiles a kernel and loads it onto the device."""
        self.sources[name] = source
        return MagicMock()

    def count(self, code: str) -> None:
        """Counts the launches in the body of the generated module."""
        body = code[code.index("def call(") :]
        for line in body.splitlines():
            if ".run(" in line:
                self.launches["triton"] += 1
            elif "convolution" in line and "extern_kernels" in line:
                self.launches["cudnn"] += 1
            elif "extern_kernels." in line:
                self.launches["cublas"] += 1
            elif "= torch.ops.aten._scaled_dot_product_efficient_attention" in line:
                self.launches["attention"] += 1


class Driver:
    """The part of a device's driver that Triton needs for compiling."""

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", SM, T4.warp_size)


@contextmanager
def one_t4() -> Iterator[None]:
    """Within this block torch sees one T4 and uses no device."""
    with ExitStack() as stack:
        for name, answer in CUDA_ANSWERS.items():
            stack.enter_context(patch.object(torch.cuda, name, answer))
            if hasattr(CudaInterface, name):
                stack.enter_context(patch.object(CudaInterface, name, staticmethod(answer)))
        stack.enter_context(patch.object(CudaInterface.Worker, "get_device_properties", staticmethod(lambda *_: T4)))
        stack.enter_context(patch.object(compile_fx, "get_cuda_device_context", lambda _: nullcontext()))
        stack.enter_context(patch.object(triton_helpers, "set_driver_to_gpu", lambda: None))
        stack.enter_context(patch.object(driver, "_active", Driver()))
        stack.enter_context(patch.object(FakeTensorMode, "avoid_device_init", True))
        stack.enter_context(patch.object(nn.functional, "scaled_dot_product_attention", attention))
        stack.enter_context(inductor.patch(SETTINGS))
        yield


def attention(query: Tensor, key: Tensor, value: Tensor, **_: Any) -> Tensor:
    """CUTLASS's memory-efficient attention: torch uses it on Turing, but only after it has queried the device."""
    output: Tensor = torch.ops.aten._scaled_dot_product_efficient_attention(query, key, value, None, False)[0]
    return output


def unet() -> Traced:
    """One image's guided step at 512×512."""
    return _traced(_net_without_data(UNet2DConditionModel, "unet"), *_step())


def decoder() -> Traced:
    """The decoder's pass for one image of 512×512."""
    return _traced(_net_without_data(AutoencoderKL, "vae").decoder, _half(1, 4, 64, 64))


def package() -> Traced:
    """The step as the engine compiles it: the keys and values of the text are among the inputs."""
    net, (latents, timesteps, embeds) = _net_without_data(UNet2DConditionModel, "unet"), _step()
    cached_kv = keys_and_values(text_layers(net), embeds)
    inputs = flatten_inputs(latents=latents, timesteps=timesteps, embeds=embeds, known=cached_kv)
    program = exported(replace(ForwardPassSpec.of(net, inputs), device="cuda"))
    return program.module(check_guards=False), list(program.example_inputs[0])


def generate(part: Callable[[], Traced]) -> GeneratedCode:
    """What Inductor writes for this part."""
    generated = GeneratedCode()
    with (
        one_t4(),
        torch.no_grad(),
        patch.object(AsyncCompile, "triton", generated.record),
        patch.object(GraphLowering, "save_output_code", generated.count),
    ):
        graph, inputs = part()
        mode = detect_fake_mode(inputs)
        assert mode is not None, "an export has inputs without data"
        with mode:
            torch._inductor.compile(graph, [*inputs])
    return generated


def compile_kernel(name: str, source: str) -> list[Any]:
    """The kernel's machine code, for each of the launch settings that Inductor would choose from."""
    with one_t4():
        kernel = _load_triton_kernel_from_source(name, source)
        kernel.precompile(warm_cache_only=True)
    return [result.kernel for result in kernel.compile_results]


def report(name: str, part: Callable[[], Traced]) -> None:
    generated = generate(part)
    binaries, failed = [], []
    for index, (kernel, source) in enumerate(generated.sources.items(), start=1):
        try:
            binaries += compile_kernel(kernel, source)
        except Exception as error:
            failed.append(f"{kernel}: {error}")
        print(f"\r{name}: {index} of {len(generated.sources)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    right = sum(f".target sm_{SM}" in binary.asm["ptx"] for binary in binaries)
    matrix = sum("tl.dot" in source for source in generated.sources.values())
    shared = max((binary.metadata.shared for binary in binaries), default=0)
    counts = [generated.launches[each] for each in ("triton", "cudnn", "cublas", "attention")]
    cells = [
        *counts,
        len(generated.sources),
        len(failed),
        f"{right} of {len(binaries)}",
        matrix,
        f"{shared / 1024:.0f} KB",
    ]
    print(f"| {name} | {' | '.join(map(str, cells))} |", *failed, sep="\n", flush=True)


def _traced(net: nn.Module, *inputs: Tensor) -> Traced:
    weights = dict(net.named_parameters())

    def forward(*tensors: Tensor) -> Any:
        result = functional_call(net, dict(zip(weights, tensors, strict=False)), tensors[len(weights) :])
        return result if isinstance(result, Tensor) else result.sample

    with FakeTensorMode():
        fake = [
            torch.empty_strided(each.shape, each.stride(), dtype=each.dtype, device="cuda")
            for each in (*weights.values(), *inputs)
        ]
        return make_fx(forward)(*fake), fake


def _net_without_data(kind: Any, part: str) -> Any:
    """A net of SD 1.5 without data, channels last and in half precision, as the engine uses it."""
    config: dict[str, Any] = json.loads((CONFIGS / "sd1" / part / "config.json").read_text())
    with torch.device("meta"):
        return kind.from_config(config).half().eval().to(memory_format=torch.channels_last)


def _step() -> tuple[Tensor, Tensor, Tensor]:
    """Latents, timesteps and text of two rows."""
    return _half(2, 4, 64, 64), torch.empty(2, device="meta"), _half(2, 77, 768)


def _half(*shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.float16, device="meta")


PARTS = {"unet": unet, "decoder": decoder, "package": package}

if __name__ == "__main__":
    print(f"torch {torch.__version__}, triton {triton.__version__}; SD 1.5 at 512×512, float16, for a {T4.name}")
    print("| | Triton launches | cuDNN | cuBLAS | attention | kernels | failed | sm_75 | with tl.dot | shared memory |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for chosen in sys.argv[1:] or PARTS:
        report(chosen, PARTS[chosen])
