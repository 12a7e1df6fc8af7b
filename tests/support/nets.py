"""The nets inside checkpoints, and their hooks. The one place where tests reach inside them.

Nothing in the server needs them, so they have no public name; only tests watch a net at work or change its weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def unet_of(checkpoint: Any) -> Any:
    return checkpoint._unet


def autoencoder_of(checkpoint: Any) -> Any:
    return checkpoint._autoencoder.net


def text_encoder_of(checkpoint: Any) -> Any:
    """The first one: its tokenizer and its net."""
    return checkpoint._encoders[0]


def net_of(model: Any) -> Any:
    """The net of a model that is no checkpoint."""
    return model._net


def language_model_of(model: Any) -> Any:
    return model._model


def hook_counts(net: nn.Module) -> list[int]:
    """How many hooks each module of a net has; torch has no public way to ask."""
    return [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in net.modules()]


def spoil(net: nn.Module) -> None:
    """Makes one number of a net's last weights NaN."""
    *_, weight = (parameter for parameter in net.parameters() if parameter.ndim > 1)
    with torch.inference_mode():
        weight.data.view(-1)[0] = float("nan")
