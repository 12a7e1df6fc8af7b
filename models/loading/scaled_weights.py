"""Weights that are stored with a scale: W = weight · scale, one scale for each tensor or for each output row.

ComfyUI's "scaled fp8" files have them in two spellings: `M.scale_weight` beside `M.weight`, with a tensor `scaled_fp8`
as a mark; and `M.weight_scale`, with `M.comfy_quant`, whose bytes are JSON that names the format. Scales of activations
(`scale_input`, `input_scale`) matter only to kernels that multiply in fp8; they change no result, and are left out.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from torch import Tensor

from models.files.weights_error import WeightsError

SCALES = ("scale_weight", "weight_scale")
MARK, FORMAT = "scaled_fp8", "comfy_quant"
WITHOUT_EFFECT = ("scale_input", "input_scale")
FORMATS = frozenset({"float8_e4m3fn", "float8_e5m2"})
OTHER_QUANTISATIONS = frozenset(
    {
        *("weight_scale_2", "weight_scale_inv", "weight_zero_point", "weight_packed", "zero_point"),
        *("qweight", "qzeros", "scales", "g_idx", "SCB", "weight_format"),
        *("absmax", "quant_map", "nested_absmax", "nested_quant_map"),
    }
)
"""Last parts of names that other quantisations put beside a weight: NVFP4, block-wise fp8, GPTQ, AWQ, bitsandbytes."""


def is_companion(name: str) -> bool:
    """Whether a tensor is no weight, but says how others are to be read."""
    last = name.rpartition(".")[2]
    return last in {*SCALES, *WITHOUT_EFFECT, MARK, FORMAT, *OTHER_QUANTISATIONS} or ".quant_state." in name


def check_names(names: Collection[str], file: str) -> None:
    """Raises WeightsError for weights of a quantisation that is not understood."""
    for name in names:
        module, _, last = name.rpartition(".")
        beside_weight = f"{module}.weight" in names or module in names
        if last == "qweight" or ".quant_state." in name or (last in OTHER_QUANTISATIONS and beside_weight):
            raise WeightsError(_not_understood(file, name))


def check_format(name: str, tensor: Tensor, file: str) -> None:
    """Raises WeightsError if a `comfy_quant` tensor names a format other than fp8."""
    try:
        content = json.loads(bytes(tensor.flatten().tolist()))
        known = content["format"] in FORMATS
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(_not_understood(file, name)) from error
    if not known:
        raise WeightsError(_not_understood(file, f"{name} with the format {content['format']!r}"))


def scaled(weight: Tensor, scale: Tensor, name: str, file: str) -> Tensor:
    """float32: the weight times its scale. Raises WeightsError for scales that are not one, or one for each row."""
    if scale.numel() == 1:
        return weight.float() * scale.float().reshape(())
    if weight.ndim and scale.numel() == len(weight) and not [side for side in scale.shape[1:] if side != 1]:
        return weight.float() * scale.float().reshape(-1, *[1] * (weight.ndim - 1))
    raise WeightsError(_not_understood(file, f"{name} of shape {list(scale.shape)}, scales of blocks"))


def _not_understood(file: str, what: str) -> str:
    return (
        f"{file} is quantised in a way that is not supported (it has {what}); give the model in fp16, bf16, or fp8 "
        "with one scale for each tensor"
    )
