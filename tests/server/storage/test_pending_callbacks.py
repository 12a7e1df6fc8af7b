import json

import pytest
from pydantic import ValidationError

from server.queue import DueCallback
from server.storage.pending_callbacks import decode_callback, encode_callback


def test_encoded_callback_decodes_to_an_equal_one() -> None:
    due = DueCallback("0" * 32, due_at=1_700_000_000.125, tries=3)
    assert decode_callback(encode_callback(due)) == due


def test_stored_callback_keeps_its_field_names() -> None:
    """Objects of older versions stay in the bucket for up to 75 hours."""
    assert set(json.loads(encode_callback(DueCallback("one", 1.0)))) == {"task_id", "due_at", "tries"}


@pytest.mark.parametrize("data", [b"{", b"{}", b"[]", b'{"task_id": "one"}'])
def test_decode_refuses_other_objects(data: bytes) -> None:
    with pytest.raises(ValidationError):
        decode_callback(data)
