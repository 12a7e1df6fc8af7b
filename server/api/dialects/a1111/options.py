"""The options that A1111's clients read and set: kept for each API key, and never for others.

A1111 keeps one set of options for all its users. Here a change is stored in the bucket under the caller's key, so that
it holds for all API processes and for that caller alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ConfigDict, RootModel, ValidationError

from models.catalog.catalog import Catalog, MisfitError, UnknownModelError
from models.catalog.entry import ModelEntry
from models.catalog.names import title_of
from models.kinds import CHECKPOINT_FAMILIES, families_of
from models.kinds.vae import VAE as VAE_KIND
from server.api.dialects.a1111.request import Json
from server.services import Services
from server.storage.bucket_keys import options_key
from server.task import Format, Output
from server.tasks.submission import InvalidParamsError
from server.tenancy.auth import Caller

MAX_BYTES = 64_000
"""Of all stored options of a caller, in JSON."""
CHECKPOINT, VAE, CLIP_SKIP = "sd_model_checkpoint", "sd_vae", "CLIP_stop_at_last_layers"
FORMAT, QUALITY = "samples_format", "jpeg_quality"
FORMATS: dict[str, Format] = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp"}
OWN_VAE = frozenset({"", "automatic", "none"})
"""By these names the web UI means the VAE of the checkpoint itself."""
MAX_CLIP_SKIP, MAX_QUALITY = 9, 100
DEFAULTS: dict[str, Any] = {
    VAE: "Automatic",
    CLIP_SKIP: 1,
    FORMAT: "png",
    QUALITY: 95,
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


class Options(RootModel[dict[str, Json]]):
    """Options by name, as JSON."""

    model_config = ConfigDict(hide_input_in_errors=True, str_min_length=0)


def title(catalog: Catalog, entry: ModelEntry) -> str:
    """The title of a checkpoint as the web UI writes it: `FILE [10 digits of its hash]`, once that is known."""
    known = catalog.hash_of(entry)
    return title_of(entry, known.sha256) if known else entry.path.name


async def read_options(services: Services, caller: Caller) -> dict[str, Any]:
    """All options of the caller. Raises BucketUnavailableError."""
    options = DEFAULTS | await _stored(services, caller)
    if not options.get(CHECKPOINT):
        options[CHECKPOINT] = _default_title(services.catalog)
    return options


async def change_options(services: Services, caller: Caller, changes: Options) -> None:
    """Values that stay as they are are not checked, because clients send back all options that they have read.

    Raises InvalidParamsError for a value that an option cannot have, BucketUnavailableError.
    """
    present = await read_options(services, caller)
    changed = {name: value for name, value in changes.root.items() if value != present.get(name)}
    check_options(changed, services.catalog)
    data = Options(await _stored(services, caller) | changed).model_dump_json().encode()
    if len(data) > MAX_BYTES:
        raise InvalidParamsError(f"the options would take {len(data)} bytes; at most {MAX_BYTES} are stored", "options")
    await services.bucket.put(options_key(caller.tenant, caller.key), data)


def check_options(options: Mapping[str, Any], catalog: Catalog) -> None:
    """Raises InvalidParamsError for a value that one of the options with an effect cannot have."""
    if name := options.get(CHECKPOINT):
        find_checkpoint(catalog, str(name))
    vae_of(options, catalog)
    clip_skip(options)
    output_of(options)


def find_checkpoint(catalog: Catalog, name: str, field: str = CHECKPOINT) -> ModelEntry:
    """The checkpoint of this title, name or hash, which the request names in `field`. Raises InvalidParamsError."""
    return _find(catalog, name, CHECKPOINT_FAMILIES, field)


def vae_of(options: Mapping[str, Any], catalog: Catalog) -> str:
    """The name of the separate VAE; "" for that of the checkpoint. Raises InvalidParamsError."""
    name = str(options.get(VAE) or "").strip()
    return "" if name.lower() in OWN_VAE else _find(catalog, name, families_of(VAE_KIND), VAE).name


def clip_skip(options: Mapping[str, Any]) -> int:
    """Layers of the text encoder to leave out; the web UI counts the last layer as 1. Raises InvalidParamsError."""
    return _whole_number(options, CLIP_SKIP, MAX_CLIP_SKIP) - 1


def output_of(options: Mapping[str, Any]) -> Output:
    """The file format of images. Raises InvalidParamsError."""
    name = options.get(FORMAT) or DEFAULTS[FORMAT]
    if str(name).lower() not in FORMATS:
        raise InvalidParamsError(f"{FORMAT} {name!r} is not offered; send {' or '.join(FORMATS)}", FORMAT)
    return Output(format=FORMATS[str(name).lower()], quality=_whole_number(options, QUALITY, MAX_QUALITY))


def _whole_number(options: Mapping[str, Any], name: str, most: int) -> int:
    value = options.get(name) or DEFAULTS[name]
    if re.fullmatch(r"\d{1,3}(\.0)?", str(value), re.ASCII) and 1 <= (number := int(float(value))) <= most:
        return number
    raise InvalidParamsError(f"{name} {value!r} is not possible; send 1 to {most}", name)


def _find(catalog: Catalog, name: str, families: Collection[str], option: str) -> ModelEntry:
    try:
        entry = catalog.find(name)
        catalog.refuse_unless(entry, families)
    except (UnknownModelError, MisfitError) as error:
        raise InvalidParamsError(f"{option}: {error}", option) from error
    return entry


async def _stored(services: Services, caller: Caller) -> dict[str, Any]:
    """What the caller has changed; nothing if that cannot be read."""
    stored = await services.bucket.get(options_key(caller.tenant, caller.key))
    try:
        return Options.model_validate_json(stored or "{}").root
    except ValidationError:
        return {}


def _default_title(catalog: Catalog) -> str:
    try:
        return title(catalog, catalog.default)
    except UnknownModelError:
        return ""
