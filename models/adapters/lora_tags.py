"""`<lora:name:scale>` in a prompt, with the syntax of AUTOMATIC1111's web UI."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

_TAG = re.compile(r"<lora:([^<>]*)>", re.IGNORECASE)
MAX_SCALE = 10.0
"""A scale beyond ± this is refused as a mistake."""


class LoraTagError(ValueError):
    """A tag has a wrong syntax or scale."""

    code = "bad_input"


class Scales(NamedTuple):
    """The scales of a LoRA for the UNet and for the text encoders."""

    unet: float
    text: float

    def __add__(self, other: object) -> Scales:
        if not isinstance(other, Scales):
            return NotImplemented
        return Scales(self.unet + other.unet, self.text + other.text)


def split_lora_tags(prompt: str) -> tuple[str, list[tuple[str, Scales]]]:
    """Splits a prompt into its text without tags, and its tags as names in lower case with scales.

    `<lora:name>` has scale 1, `<lora:name:0.8>` scale 0.8, `<lora:name:0.5:0.8>` 0.5 for the text encoders and 0.8 for
    the UNet, which can also be written `te=0.5` and `unet=0.8`. Raises LoraTagError.
    """
    return _TAG.sub("", prompt), [_parse(tag) for tag in _TAG.findall(prompt)]


def rename_lora_tags(prompt: str, names: Mapping[str, str]) -> str:
    """The prompt with other names in its tags; `names` are the new names by the old ones in lower case."""

    def renamed(match: re.Match[str]) -> str:
        name, colon, rest = match[1].partition(":")
        return f"<lora:{names.get(name.strip().lower(), name)}{colon}{rest}>"

    return _TAG.sub(renamed, prompt)


def _parse(tag: str) -> tuple[str, Scales]:
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
    if not -MAX_SCALE <= number <= MAX_SCALE:
        raise LoraTagError(f"<lora:{tag}> has the scale {value!r}; give a number from {-MAX_SCALE:g} to {MAX_SCALE:g}")
    return number
