"""What the header of a model's file tells; no tensor is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from models.catalog.checkpoint_shape import read_shape
from models.catalog.file_hashes import AUTO_V2, AUTO_V3, FileHashes, compute
from models.catalog.packages import with_titles
from models.catalog.pickles import ncnn_message
from models.catalog.scan import FoundEncoder, FoundModel, Problem, identify
from models.files.lora_keys import factor_keys
from models.files.lora_layout import read_layout
from models.files.ncnn_param import PARAM, weights_file
from models.files.ncnn_weights import read_net_header
from models.files.safetensors_header import HeaderError, read_header
from models.files.trigger_words import trigger_words
from models.files.weights_error import WeightsError
from models.kinds import CHECKPOINT_FAMILIES, FAMILIES

MOST_CHARACTERS = 300
"""Of one value: the metadata of a trainer can be megabytes."""


def describe(path: Path, *, hashes: FileHashes | None = None) -> dict[str, Any]:
    """What a file or a folder of diffusers is, by field; `problem` says why it cannot be used. Raises WeightsError.

    `hashes` are those that are known; without it, no hash is described.
    """
    try:
        path = _text_of(path)
        found = identify(path)
        description: dict[str, Any] = {"file": str(path)}
        if isinstance(found, Problem):
            description["problem"] = found.message
        elif found is None and path.is_file():
            description["kind"] = "text encoder, which `text_encoder:` of an entry in models.yaml can name"
        elif found is None:
            description["problem"] = f"{path.name} is a folder, but no whole model; name the folder of the whole model"
        elif isinstance(found, FoundEncoder):
            description |= {"kind": "image encoder, which IP-Adapters need", **found.widths._asdict()}
        else:
            description |= _model_fields(found)
        if path.is_file():
            weights = weights_file(path)
            description |= {"bytes": weights.stat().st_size, **_header_fields(path)}
            if hashes is not None:
                description |= _hash_fields(weights.resolve(), hashes)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}); correct the path, or its rights") from error
    return description


def _model_fields(found: FoundModel) -> dict[str, Any]:
    [found] = with_titles([found])
    remark = "guessed from its name, which an entry of models.yaml overrides"
    fields = {key: f"{value} ({remark})" if key in found.guessed else value for key, value in found.fields.items()}
    if lacks := read_shape(found.path, None, found.family).lacks if found.family in CHECKPOINT_FAMILIES else ():
        fields["lacks"] = f"{', '.join(lacks)} (fields of its entry in models.yaml that say where they are)"
    return {"kind": FAMILIES[found.family].kind.title, "family": found.family, **fields}


def _hash_fields(file: Path, hashes: FileHashes) -> dict[str, str]:
    """Reads the whole file if its hash is not known."""
    found = hashes.of(file) or compute(file)
    if found is None:
        return {}
    names = {"hash (AutoV2)": found.sha256[:AUTO_V2], "hash of the tensors (AutoV3)": found.tensors[:AUTO_V3]}
    return {"sha256": found.sha256, **{name: digits for name, digits in names.items() if digits}}


def lines_of(description: Mapping[str, Any]) -> Iterator[str]:
    """One line a field. A file may come from anyone, so characters that steer a terminal are left out."""
    for name, value in description.items():
        text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        shown = f"{name}: {text if len(text) <= MOST_CHARACTERS or name == 'problem' else text[:MOST_CHARACTERS] + '…'}"
        yield "".join(character if character.isprintable() else " " for character in shown)


def _text_of(path: Path) -> Path:
    """The text of an ncnn net, if its weights are named; any other path as it is."""
    text = path.with_suffix(PARAM)
    return text if ncnn_message(path) and text.is_file() else path


def _ncnn_fields(path: Path) -> dict[str, Any]:
    try:
        net = read_net_header(path)
    except WeightsError:
        return {}
    fields = {"architecture": net.upscaler.architecture, "scale": net.upscaler.scale}
    return {**fields, "tensors": len(net.tensors), "dtypes": _counts(tensor.dtype for tensor in net.tensors)}


def _counts(dtypes: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{dtype} ({count})" for dtype, count in Counter(dtypes).most_common())


def _numbered(name: str, values: Iterable[str]) -> dict[str, str]:
    return {f"{name} {number}": value for number, value in enumerate(values, 1)}


def _header_fields(path: Path) -> dict[str, Any]:
    """Nothing for a file without a header, such as an ONNX file or a broken one."""
    if path.suffix.lower() == PARAM:
        return _ncnn_fields(path)
    try:
        header = read_header(path)
    except HeaderError:
        return {}
    fields: dict[str, Any] = {
        "tensors": len(header.tensors),
        "dtypes": _counts(info.dtype for info in header.tensors.values()),
    }
    if any(factor_keys(header)) and (skipped := read_layout(header.tensors).skipped):
        fields |= {"keys not understood": f"{len(skipped)} of {len(header.tensors)}", **_numbered("key", skipped)}
    if words := trigger_words(header.metadata):
        fields["trigger_words"] = words
    return fields | {f"metadata {key}": value for key, value in sorted(header.metadata.items())}
