"""How much JSON text will hold once it is parsed, found from its bytes as they arrive."""

from __future__ import annotations

from dataclasses import dataclass

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_OPENING = frozenset(b"[{")


@dataclass(slots=True)
class JsonSize:
    """Counts values, names and depth without parsing. Text that is not JSON gives numbers without meaning.

    Only UTF-8 is counted rightly: in UTF-16 the bytes of a letter may look like a quote.
    """

    values: int = 0
    """Items of arrays and objects, and the arrays and objects themselves."""
    names: int = 0
    """Names in objects."""
    deepest: int = 0
    """Arrays and objects inside each other."""
    _depth: int = 0
    _in_string: bool = False
    _escape: bytes = b""
    """A backslash at the end of a chunk, which belongs to the first byte of the next one."""

    def add(self, chunk: bytes) -> None:
        structure = self._outside_strings(chunk)
        self.values += structure.count(b",") + structure.count(b"[") + structure.count(b"{")
        self.names += structure.count(b":")
        for bracket in structure.translate(None, _NOT_BRACKETS):
            if bracket in _OPENING:
                self._depth += 1
                if self._depth > self.deepest:
                    self.deepest = self._depth
            else:
                self._depth -= 1

    def _outside_strings(self, chunk: bytes) -> bytes:
        text = self._escape + chunk
        self._escape = b"\\" if (len(text) - len(text.rstrip(b"\\"))) % 2 else b""
        if self._in_string and b'"' not in text:
            return b""
        text = text.removesuffix(self._escape).replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = text.split(b'"')
        outside = b"".join(parts[self._in_string :: 2])
        self._in_string ^= len(parts) % 2 == 0
        return outside
