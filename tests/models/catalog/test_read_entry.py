import re
from pathlib import Path

import pytest

from models import catalog
from tests.support.models_yaml import write_entries


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{name: ../x, path: one, family: sd1}", "name: string should match"),
        ("{name: x, path: one, family: flux}", "family: there is no such family; there are: annotator, "),
        ("{name: x, path: one}", "family: field required"),
        ("{name: x, path: one, family: sd1, colour: red}", "colour: extra inputs are not permitted"),
        ("{name: x, path: none, family: sd1}", "none does not exist; put the model there"),
        ("{name: x, path: ../x, family: sd1}", "leads out of the models folder"),
        ("{name: x, path: out, family: sd1}", "leads out of the models folder"),
        ("{name: x, path: x.ckpt, family: sd1}", "is a pickle.*hua models convert"),
        ("{name: x, path: X.CKPT, family: sd1}", "is a pickle.*hua models convert"),
        ("{name: x, path: sly.safetensors, family: sd1}", "is a pickle"),
        ("{name: x, path: one/unet, family: sd1}", r"has no model_index\.json"),
        ("{name: x, path: notes.txt, family: sd1}", "is not a model file"),
        (
            "{name: x, path: one, family: upscaler}",
            r"is a folder; give one \.safetensors file",
        ),
        ("{name: x, path: three.safetensors, family: matting}", r"is not a model file; give a \.onnx file"),
        ("{name: x, path: one, family: matting}", r"is a folder; give one \.onnx file"),
        ("{name: x, path: one, family: captioner}", r"not a folder with a config\.json and \.safetensors weights"),
        ("{name: x, path: three.safetensors, family: safety}", r"is not a model file; give a \.onnx file"),
        (
            "{name: x, path: three.safetensors, family: lora, for: esr}",
            "for: there is no such family; there are: sd1, sd2",
        ),
        ("{name: x, path: one, family: decoder}", "reads the latents of one family.*`for: sd1`"),
        ("{name: x, path: three.safetensors, family: decoder, for: sd1}", r"not a folder with a config\.json"),
        ("just a word", "input should be a valid dictionary"),
    ],
)
def test_wrong_entry_is_named_in_one_line(folder: Path, line: str, message: str) -> None:
    (folder / "out").symlink_to("/")
    (folder / "notes.txt").touch()
    for pickle in ("x.ckpt", "X.CKPT", "x.pt"):
        (folder / pickle).touch()
    (folder / "sly.safetensors").symlink_to("x.pt")
    [problem] = [each for each in catalog.read(write_entries(folder, line)).problems if each.path.name == "models.yaml"]
    assert re.search(message, problem.message)
    assert "\n" not in problem.message
    assert "models.yaml" in problem.message
