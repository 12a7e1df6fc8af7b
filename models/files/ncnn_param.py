"""The text of an ncnn net (`NAME.param`): its layers and their parameters. Torch-free.

The format: a magic number, the numbers of layers and blobs, then one layer a line: its type, its name, how many blobs
it reads and writes, their names, and parameters `id=value`. An id of -23300 or less is an array, with its length first:
`-23310=1,0.2` is parameter 10.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.files.weights_error import WeightsError
from models.plain_files import open_plain

PARAM, BIN = ".param", ".bin"
MAGIC = "7767517"
ARRAY_ID = -23300
MAX_TEXT_BYTES = 1 << 22
"""The text of Real-ESRGAN with 23 blocks has 116 kB."""


class NcnnError(WeightsError):
    """A file is no ncnn net that can be used; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class NcnnLayer:
    type: str
    inputs: int
    """How many blobs it reads."""
    values: Mapping[int, tuple[float, ...]]
    """The parameters that the line gives, by id; one number is a tuple of one."""

    def number(self, id: int, default: float = 0) -> float:
        return self.values[id][0] if self.values.get(id) else default


def weights_file(path: Path) -> Path:
    """The file that has the weights of a model: the other half of a pair, else the file itself."""
    return path.with_suffix(BIN) if path.suffix.lower() == PARAM else path


def read_param(file: Path) -> list[NcnnLayer]:
    """The layers of a net, in the order in which they run. Raises NcnnError, OSError."""
    with open_plain(file) as opened:
        content = opened.read(MAX_TEXT_BYTES + 1)
    lines = content.decode("utf-8", "replace").splitlines()
    if not lines or lines[0].strip() != MAGIC:
        raise NcnnError(f"{file.name} is not the text of an ncnn net, whose first line is {MAGIC}; give that file")
    try:
        count = int(lines[1].split()[0])
        layers = [_read_layer(line.split()) for line in lines[2:] if line.strip()]
    except (ValueError, IndexError) as error:
        raise NcnnError(f"{file.name} is damaged: one of its lines is no layer of ncnn; copy it again") from error
    if not all(math.isfinite(number) for layer in layers for numbers in layer.values.values() for number in numbers):
        raise NcnnError(f"{file.name} is damaged: a parameter is NaN or infinity; copy it again")
    if count != len(layers):
        raise NcnnError(f"{file.name} has {len(layers)} layers, but says {count}; copy it again")
    return layers


def _read_layer(words: Sequence[str]) -> NcnnLayer:
    """Raises ValueError, IndexError."""
    inputs, outputs = int(words[2]), int(words[3])
    _, *parameters = words[3 + inputs + outputs :]  # behind the last name of a blob, which must be there
    values: dict[int, tuple[float, ...]] = {}
    for parameter in parameters:
        id, _, text = parameter.partition("=")
        numbers = tuple(map(float, text.split(",")))
        if int(id) <= ARRAY_ID:
            values[ARRAY_ID - int(id)] = numbers[1:]
        else:
            values[int(id)] = numbers
    return NcnnLayer(words[0], inputs, values)
