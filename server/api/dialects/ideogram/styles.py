"""The words that styles and palettes add to a prompt, from `styles.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_TABLE: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("styles.yaml").read_text("utf-8"))
TYPES: Mapping[str, str] = _TABLE["types"]
PALETTES: Mapping[str, str] = _TABLE["palettes"]
PRESETS: Mapping[str, str] = {name: name.replace("_", " ").lower() + " style" for name in _TABLE["presets"]}


def one_of(field: str, value: Any, known: Mapping[str, Any]) -> Any:
    """What a table has for this value. Raises ValueError."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{field} {value!r} is unknown; use one of {', '.join(sorted(known))}")
    return known[value]
