"""Pickled weights, which can run code when they are opened, and so are never opened here."""

from __future__ import annotations

from pathlib import Path

PICKLES = frozenset({".ckpt", ".pt", ".pth", ".bin"})


def pickle_message(path: Path) -> str:
    return (
        f"{path.name} is a pickle, which can run code when it is opened; convert it to safetensors on a machine "
        "you can lose: torch.load(…, weights_only=True), then safetensors.torch.save_file"
    )
