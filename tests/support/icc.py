"""Colour profiles that Pillow cannot create: of grey and of four inks (ICC.1:2001-04)."""

from __future__ import annotations

import struct

D50 = (0.9642, 1.0, 0.8249)


def grey_profile(gamma: float) -> bytes:
    curve = b"curv" + bytes(4) + struct.pack(">IHH", 1, round(gamma * 256), 0)
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": curve})


def ink_profile() -> bytes:
    """A press whose inks are not those that Pillow assumes: corners of the inks' cube map to Lab colours of its own."""
    corners = b"".join(bytes(_lab(*((corner >> bit) & 1 for bit in (3, 2, 1, 0)))) for corner in range(16))
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 if at % 4 == 0 else 0 for at in range(9)))
    table = b"mft1" + bytes(4) + struct.pack(">BBBx", 4, 3, 2) + matrix + ramp * 4 + corners + ramp * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table})


def _lab(cyan: int, magenta: int, yellow: int, black: int) -> tuple[int, int, int]:
    light = 1 - 0.8 * black
    lightness = 240 * light * (1 - 0.25 * cyan) * (1 - 0.3 * magenta) * (1 - 0.05 * yellow)
    return round(lightness), round(128 + light * 50 * (magenta - cyan)), round(128 + light * 60 * (yellow - 0.5 * cyan))


def _profile(device: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    text = b"test profile\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78),
        b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in D50)),
        b"cprt": b"text" + bytes(4) + b"none\0",
        **tags,
    }
    entries, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        entries += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = struct.pack(">I", start + len(body))
    header = size + bytes(4) + b"\x02\x40\0\0" + device + space + connection + bytes(12) + b"acsp" + bytes(28)
    light = struct.pack(">3i", *(round(value * 65536) for value in D50))
    return header + light + bytes(48) + struct.pack(">I", len(tags)) + entries + body
