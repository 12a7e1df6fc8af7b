"""Options of the ahead-of-time compiler (`torch._inductor.config`). They are part of a package's digest."""

from __future__ import annotations

from typing import Any

OPTIONS: dict[str, Any] = {
    # Triton multiplies no matrices: before sm_80 it has no tensor cores for it, so cuBLAS and cuDNN do.
    "max_autotune": False,
    "max_autotune_gemm_backends": "ATEN",
    "max_autotune_conv_backends": "ATEN",
    # Padding would be decided by timing products on a device that has other work.
    "shape_padding": False,
    "aot_inductor.autotune_per_kernel_alloc": True,
    "cpp.dynamic_threads": True,
    "aot_inductor.precompile_headers": False,
    "aot_inductor.enable_line_tables": False,
}
