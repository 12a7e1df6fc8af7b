"""The options that A1111's clients read and set: kept for each API key, and never for others.

A1111 keeps one set of options for all its users. Here a change is stored in the bucket under the caller's key, so that
it holds for all API processes and for that caller alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from models.catalog.catalog import Catalog, UnknownModelError
from models.catalog.entry import ModelEntry
from models.catalog.names import title_of
from server.services import Services
from server.storage.bucket_keys import options_key
from server.task import Format
from server.tasks.submission import InvalidParamsError
from server.tenancy.auth import Caller

MAX_BYTES = 64_000
"""Of all stored options of a caller, in JSON."""
CHECKPOINT, VAE, CLIP_SKIP, FORMAT = "sd_model_checkpoint", "sd_vae", "CLIP_stop_at_last_layers", "samples_format"
FORMATS: dict[str, Format] = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp"}
DEFAULTS: dict[str, Any] = {
    VAE: "Automatic",
    CLIP_SKIP: 1,
    FORMAT: "png",
    "jpeg_quality": 95,
    "eta_noise_seed_delta": 0,
    "img2img_color_correction": False,
    "samples_save": True,
    "save_images_add_number": True,
    "show_progress_type": "Approx NN",
    "live_previews_enable": True,
    "upscaler_for_img2img": None,
    "face_restoration_model": None,
    "sd_checkpoint_hash": "",
}


def title(catalog: Catalog, entry: ModelEntry) -> str:
    """The title of a checkpoint as the web UI writes it: `FILE [10 digits of its hash]`, once that is known."""
    known = catalog.hash_of(entry)
    return title_of(entry, known.sha256) if known else entry.path.name


async def read_options(services: Services, caller: Caller) -> dict[str, Any]:
    """All options of the caller. Raises BucketUnavailableError."""
    stored = await services.bucket.get(options_key(caller.tenant, caller.key))
    options = {**DEFAULTS, **(json.loads(stored) if stored else {})}
    if not options.get(CHECKPOINT):
        options[CHECKPOINT] = _default_title(services.catalog)
    return options


def clip_skip(options: Mapping[str, Any]) -> int:
    """Layers of the text encoder to leave out; the web UI counts the last layer as 1. Raises InvalidParamsError."""
    value = options.get(CLIP_SKIP) or 1
    if not re.fullmatch(r"\d{1,2}(\.0)?", str(value), re.ASCII):
        raise InvalidParamsError(f"{CLIP_SKIP} {value!r} is no number of layers; send 1 to 9", CLIP_SKIP)
    return int(float(value)) - 1


async def change_options(services: Services, caller: Caller, changes: dict[str, Any]) -> None:
    """Raises InvalidParamsError for a model that does not exist, BucketUnavailableError."""
    if name := changes.get(CHECKPOINT):
        find_checkpoint(services.catalog, str(name))
    clip_skip(changes)
    key = options_key(caller.tenant, caller.key)
    stored = await services.bucket.get(key)
    data = json.dumps((json.loads(stored) if stored else {}) | changes).encode()
    if len(data) > MAX_BYTES:
        raise InvalidParamsError(f"the options would take {len(data)} bytes; at most {MAX_BYTES} are stored", "options")
    await services.bucket.put(key, data)


def find_checkpoint(catalog: Catalog, name: str) -> ModelEntry:
    """The checkpoint of this title, name or hash. Raises InvalidParamsError."""
    try:
        return catalog.find(name)
    except UnknownModelError as error:
        raise InvalidParamsError(str(error), CHECKPOINT) from error


def _default_title(catalog: Catalog) -> str:
    try:
        return title(catalog, catalog.default)
    except UnknownModelError:
        return ""
