from pathlib import Path

import pytest

from models.files.ncnn_param import NcnnError, read_param

TEXT = """7767517
2 2
Input            in   0 1 data 0=4
Convolution      conv 1 1 data output 0=8 1=3 9=2 -23310=2,2.000000e-01,1.5
"""


def test_layers_have_their_parameters_by_id(tmp_path: Path) -> None:
    file = tmp_path / "x.param"
    file.write_text(TEXT)
    data, convolution = read_param(file)
    assert (data.type, data.inputs, data.number(0)) == ("Input", 0, 4)
    assert (convolution.type, convolution.inputs, convolution.number(1)) == ("Convolution", 1, 3)
    assert convolution.values[10] == (0.2, 1.5)
    assert (convolution.number(3, 1), convolution.number(4)) == (1, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"x\.param is not the text of an ncnn net, whose first line is 7767517"),
        ("\x00\x01", "is not the text of an ncnn net"),
        ("7767517\n", "is damaged: one of its lines is no layer"),
        (TEXT.replace("1 1 data output", "1 9 data output"), "is damaged"),
        (TEXT.replace("1=3", "1=three"), "is damaged"),
        (TEXT.replace("0=8", "0=inf"), "a parameter is NaN or infinity"),
        (TEXT.replace("2 2\n", "3 2\n"), r"x\.param has 2 layers, but says 3; copy it again"),
    ],
)
def test_damaged_text_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "x.param"
    file.write_text(text)
    with pytest.raises(NcnnError, match=message):
        read_param(file)
