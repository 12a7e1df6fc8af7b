import pytest

from server.audit.folding import Folding
from server.audit.look_alikes import LookAlikeFolding


@pytest.mark.parametrize(
    ("written", "folded"),
    [("роrn", "porn"), ("ρΟrn", "porn"), ("P0RN", "porn"), ("$3x", "sex"), ("l1!I", "iiii"), ("色9情", "色g情")],
)
def test_look_alikes_become_latin(written: str, folded: str) -> None:
    assert written.translate(LookAlikeFolding(Folding({}))) == folded
