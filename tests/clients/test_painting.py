"""Each method sends params that the server accepts, and the images in their places."""

import pytest
from hua_client.painting import Painting

import pipelines

METHODS = {
    "txt2img": ("txt2img.sd", ("a",)),
    "img2img": ("img2img.sd", ("i.png", "a")),
    "inpaint": ("txt2img.sd.inpainting", ("i.png", "m.png", "a")),
    "erase": ("img2img.inpainting", ("i.png", "m.png")),
    "outpaint": ("txt2img.sd.outpainting", ("i.png", "a")),
    "upscale": ("img2img.sr", ("i.png",)),
    "control": ("control_new.canny", ("canny", "i.png", "a")),
    "remove_background": ("img2img.sod", ("i.png",)),
}


class Recorder(Painting[tuple[str, dict]]):
    def run(self, type, /, *, options=None, **params):
        return type, params


@pytest.mark.parametrize("name", METHODS)
def test_method_sends_what_its_task_type_takes(name):
    wanted, arguments = METHODS[name]
    sent, params = getattr(Recorder(), name)(*arguments)
    assert sent == wanted
    pipeline = pipelines.find(sent)
    pipeline.Params.model_validate({key: str(value) for key, value in params.items()})


def test_every_method_is_tested():
    own = {name for name in vars(Painting) if name[0] != "_"} - {"run"}
    assert own == METHODS.keys()
