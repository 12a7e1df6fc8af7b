"""`<lora:name:weight>` in a prompt, as AUTOMATIC1111's web UI reads it."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

_TAG = re.compile(r"<lora:([^<>]*)>", re.IGNORECASE)
MOST = 10.0
"""Weights beyond this, up or down, are mistakes."""


class LoraTagError(ValueError):
    """A tag that cannot be read."""


class Scales(NamedTuple):
    """How strongly the UNet and the text encoders are to feel a LoRA."""

    unet: float
    text: float

    def __add__(self, other: object) -> Scales:
        if not isinstance(other, Scales):
            return NotImplemented
        return Scales(self.unet + other.unet, self.text + other.text)


def split_lora_tags(prompt: str) -> tuple[str, list[tuple[str, Scales]]]:
    """The prompt without its tags, and what they say: names, in lower case, with scales. Raises LoraTagError.

    `<lora:name>` means 1, `<lora:name:0.8>` both at 0.8, `<lora:name:0.5:0.8>` the text encoders at 0.5 and the UNet
    at 0.8, which may also be written `te=0.5` and `unet=0.8`.
    """
    return _TAG.sub("", prompt), [_read(tag) for tag in _TAG.findall(prompt)]


def _read(tag: str) -> tuple[str, Scales]:
    name, *rest = (part.strip() for part in tag.split(":"))
    plain = [_number(value, tag) for value in rest if "=" not in value]
    named = {
        key.strip(): _number(value, tag) for key, _, value in (part.partition("=") for part in rest if "=" in part)
    }
    if not name or len(plain) > 2 or named.keys() - {"te", "unet"}:
        raise LoraTagError(f"<lora:{tag}> cannot be read; write <lora:name:0.8>, or <lora:name:te=0.5:unet=0.8>")
    text = named.get("te", plain[0] if plain else 1.0)
    unet = named.get("unet", plain[1] if len(plain) == 2 else plain[0] if plain else text)
    return name.lower(), Scales(unet, text)


def _number(value: str, tag: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not -MOST <= number <= MOST:
        raise LoraTagError(f"<lora:{tag}> has the weight {value!r}; give a number from {-MOST:g} to {MOST:g}")
    return number
