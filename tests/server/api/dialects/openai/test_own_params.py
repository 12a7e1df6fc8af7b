import pytest

from pipelines import find
from server.api.dialects.openai.own_params import lora_scales, own_params
from server.api.dialects.openai.request import EditRequest
from server.tasks.submission import InvalidParamsError

IMG2IMG = find("img2img.sd")


def own(**fields) -> dict:
    return own_params(EditRequest(prompt="x", **fields), IMG2IMG)


@pytest.mark.parametrize(
    ("fields", "params"),
    [
        ({"num_inference_steps": 9}, {"num_steps": 9}),
        ({"steps": 9, "cfg_scale": 3}, {"num_steps": 9, "guidance_scale": 3}),
        ({"sampler_name": "Euler a"}, {"sampler": "Euler a"}),
        ({"strength": "0.75"}, {"fidelity": 0.25}),
        ({"lora_scales": ["ink"]}, {"lora_scales": {"ink": 1.0}}),
        ({"seed": "7", "clip_skip": 2}, {"seed": "7", "clip_skip": 2}),
        ({"text": "y", "w": 8, "callback_url": "http://x", "num_samples": 3}, {}),
        ({"frame_count": 3, "svg": {}, "true_cfg_scale": 1, "safety_identifier": "u"}, {}),
    ],
)
def test_names_of_other_servers_are_understood_and_strange_ones_ignored(fields, params):
    assert own(**fields) == params


@pytest.mark.parametrize("name", ["negatve_prompt", "num_step", "guidence_scale", "sampler_nam", "promt"])
def test_misspelt_names_are_refused(name):
    with pytest.raises(InvalidParamsError, match="did you mean"):
        own(**{name: "x"})


@pytest.mark.parametrize(
    ("value", "scales"),
    [
        ({"ink": 0.5}, {"ink": 0.5}),
        (["ink", "oil"], {"ink": 1.0, "oil": 1.0}),
        ([{"name": "ink", "scale": 0.3}, {"name": "oil"}], {"ink": 0.3, "oil": 1.0}),
        ({"name": "ink", "scale": 2}, {"ink": 2}),
        ("ink", {"ink": 1.0}),
    ],
)
def test_loras_come_in_many_shapes(value, scales):
    assert lora_scales(value) == scales


@pytest.mark.parametrize("fields", [{"loras": [7]}, {"lora_scales": 7}, {"strength": "much"}, {"strength": 10**400}])
def test_wrong_values_are_refused(fields):
    with pytest.raises(InvalidParamsError):
        own(**fields)
