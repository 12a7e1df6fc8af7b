import json

import pytest

import pipelines
from server.api.dialects.ideogram.request_legacy import UpscaleRequest
from server.api.dialects.ideogram.upscale import enlargement, strength_of
from server.tasks.input_images import Upload
from server.tasks.submission import InvalidParamsError
from server.tenancy.auth import ANONYMOUS

PICTURE = Upload("file-" + "0" * 32, 100, 60)
PARAMS = {"text": "", "model": "toy", "num_samples": 2, "seed": 5}


async def newest(services):
    return (await services.queue.recent(ANONYMOUS, None, 1, 10))[0][0].task


@pytest.mark.parametrize("path", ["/upscale", "/ideogram/upscale"])
@pytest.mark.parametrize("request_text", [" {} ", json.dumps({"resemblance": 55, "detail": 90, "prompt": "a boat"})])
async def test_sample_of_the_document(client, services, painting, draw, path, request_text):
    files = {"image_file": ("<file1>", draw())}
    reply = await client.post(path, data={"image_request": request_text}, files=files, headers={"Api-Key": "sk-***"})
    assert reply.status_code == 200, reply.text
    fields, task = json.loads(request_text), await newest(services)
    enlarge, paint = task.params["nodes"]
    assert (enlarge["endpoint"], enlarge["data"]["scale"]) == ("img2img.sr", 2)
    assert (paint["endpoint"], paint["injections"]) == ("img2img.sd", {"enlarge": [{"index": 0, "field": "url"}]})
    assert (paint["data"]["wh"], paint["data"]["text"]) == ([192, 128], fields.get("prompt", ""))
    assert paint["data"]["fidelity"] == (0.838 if fields else 0.9)
    [image] = reply.json()["data"]
    assert {"resolution", "upscaled_resolution", "seed", "prompt"} <= image.keys()


@pytest.mark.parametrize(
    ("resemblance", "detail", "strength"), [(50, 50, 0.1), (100, 100, 0), (1, 100, 0.396), (50, 1, 0.002)]
)
def test_more_detail_and_less_resemblance_paint_more(resemblance, detail, strength):
    assert strength_of(UpscaleRequest(resemblance=resemblance, detail=detail)) == strength


@pytest.mark.parametrize("strength", [0, 0.005])
def test_picture_that_is_to_stay_as_it_is_is_only_enlarged(strength):
    painting = enlargement(PARAMS, PICTURE, strength, 1)
    [node] = pipelines.find("workflow").Params.model_validate(painting.params).nodes
    assert (painting.task_type, node.endpoint, painting.params["use_audit"]) == ("workflow", "img2img.sr", True)


def test_picture_too_large_to_be_painted_is_refused():
    enlargement(PARAMS, PICTURE, 0.5, 200 * 120)
    with pytest.raises(InvalidParamsError, match="resemblance 100"):
        enlargement(PARAMS, PICTURE, 0.5, 200 * 120 - 1)
