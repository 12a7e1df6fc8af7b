from pipelines.workflow import WorkflowParams
from server.api.dialects.workflows import CUT_OUT, object_mask, painting_task

PARAMS = {"text": "x", "num_samples": 2}


def test_painting_alone_is_no_workflow():
    assert painting_task("txt2img.sd", PARAMS) == ("txt2img.sd", PARAMS)


def test_each_image_is_cut_out():
    task_type, params = painting_task("txt2img.sd", PARAMS, after=[CUT_OUT])
    assert task_type == "workflow"
    nodes = WorkflowParams.model_validate(params).by_key
    assert list(nodes) == ["paint", "cut_out_0", "cut_out_1"]
    assert [nodes[f"cut_out_{index}"].sources[0][1].index for index in range(2)] == [0, 1]
    assert (params["target"], params["intermediate"], params["use_audit"]) == ("cut_out_0", ["cut_out_1"], True)


def test_mask_comes_before_the_painting():
    _, params = painting_task("txt2img.sd.inpainting", {**PARAMS, "url": "u"}, before={"mask_url": object_mask("u")})
    nodes = WorkflowParams.model_validate(params).by_key
    assert nodes["mask"].data == {"url": "u", "output": "alpha"}
    [(source, injection)] = nodes["paint"].sources
    assert (source, injection.field, params["target"]) == ("mask", "mask_url", "paint")
