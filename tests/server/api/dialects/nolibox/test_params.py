import pytest

import pipelines
from server.api.dialects.nolibox.answers import callback_body
from server.api.dialects.nolibox.params import translate_params
from server.storage.signed_links import Links
from server.task import Manifest, Outcome, Status, Task
from tests.support.nolibox import ECHO

TXT2IMG = pipelines.find("txt2img.sd")


def test_params_win_over_the_same_ones_in_the_envelope():
    params = {"text": "Roses", "w": 512}
    assert translate_params(TXT2IMG, params, {**params, "w": 640, "task": "x"}) == params


def test_params_may_be_in_the_envelope_alone():
    assert translate_params(TXT2IMG, {}, {"text": "Roses", "unknown": 1}) == {"text": "Roses"}


@pytest.mark.parametrize("model", [["general"], {"general": 1}])
def test_model_that_is_no_text_is_left_to_be_refused(model):
    assert translate_params(pipelines.find("img2img.sr"), {"url": "x", "model": model}, {})["model"] == model


def test_parameters_of_the_gateway_are_dropped():
    sent = {"text": "x", "use_seed": True, "promptInfo": {"a": 1}, "disable_easy_negative": True}
    assert translate_params(TXT2IMG, sent, {}) == {"text": "x", "disable_easy_negative": True}
    assert translate_params(pipelines.find("img2img.sr"), {"url": "x", "disable_easy_negative": True}, {}) == {
        "url": "x"
    }


# One object for all tasks, as the single table in that API's documents suggests.
EVERYTHING = {
    "model": "general",
    "text": "a house",
    "w": 640,
    "h": 512,
    "fidelity": 0.3,
    "seed": 7,
    "sampler": "k_euler",
    "num_steps": 25,
    "guidance_scale": 7.5,
    "negative_prompt": "fog",
    "variations": [],
    "strength": 1,
    "auto_gender": False,
    "auto_prompt": False,
    "tome_info": {"enable": False, "ratio": 0.5},
    "disable_easy_negative": False,
}
IMAGES = {"url": "file-1", "mask_url": "file-2"}


@pytest.mark.parametrize(
    ("task", "images", "expected"),
    [
        ("txt2img.sd", (), {"w": 640, "seed": 7, "model": "general"}),
        ("img2img.sd", ("url",), {"fidelity": 0.3, "seed": 7, "model": "general"}),
        ("txt2img.sd.inpainting", ("url", "mask_url"), {"text": "a house", "seed": 7, "model": "general"}),
        ("img2img.inpainting", ("url", "mask_url"), {"seed": 7, "model": "lama"}),
        ("img2img.sr", ("url",), {"model": ""}),
        ("img2img.sod", ("url",), {"model": "matting"}),
        ("img2txt.caption", ("url",), {"model": "captioner"}),
        ("control.canny", ("url",), {"text": "a house", "fidelity": 0.3, "model": "general"}),
        ("cv.blur", ("url",), {"radius": 2}),
    ],
)
def test_one_object_of_parameters_fits_every_task(task, images, expected):
    pipeline = pipelines.find(task)
    sent = {**EVERYTHING, **{name: IMAGES[name] for name in images}}
    params = pipeline.Params.model_validate(translate_params(pipeline, sent, {}))
    assert {name: getattr(params, name) for name in expected} == expected


def test_prompt_wins_over_text_in_control_tasks():
    sent = {"url": "file-1", "prompt": "a house", "text": ""}
    assert translate_params(pipelines.find("control.canny"), sent, {}) == {"url": "file-1", "prompt": "a house"}
    assert translate_params(TXT2IMG, {"text": "a house"}, {}) == {"text": "a house"}


@pytest.mark.parametrize(("raw", "expected"), [(True, {"fidelity": 0.2}), (False, {})])
def test_inpainting_names_of_spring_2023_are_translated(raw, expected):
    inpainting = pipelines.find("txt2img.sd.inpainting")
    sent = {"use_raw_inpainting": raw, "raw_inpainting_fidelity": 0.2, "ref_url": "", "ref_fidelity": 0.2}
    assert translate_params(inpainting, sent, {}) == {"use_raw_inpainting": raw, **expected}
    refused = translate_params(inpainting, {"ref_url": "file-1", "ref_fidelity": 0.5}, {})
    assert refused == {"ref_url": "file-1", "ref_fidelity": 0.5}


def test_image_that_a_task_does_not_take_is_left_to_be_refused():
    sent = {"text": "x", "url": "file-1", "mask_url": "file-2"}
    assert translate_params(pipelines.find("img2img.sd"), sent, {}) == sent


def test_empty_value_means_the_default_except_for_text():
    sent = {"text": "", "negative_prompt": "", "use_circular": "", "seed": "", "sigmas": "", "unknown": {}}
    assert translate_params(TXT2IMG, sent, {}) == {"text": "", "negative_prompt": ""}


def test_null_is_passed_on_where_it_is_allowed_and_not_the_default():
    sent = {"keep_original_num_fade_pixels": None, "inpainting_mask_blur": None, "seed": None}
    assert translate_params(pipelines.find("txt2img.sd.inpainting"), sent, {}) == {
        "keep_original_num_fade_pixels": None
    }


def test_unknown_name_with_a_value_is_left_to_be_refused():
    assert translate_params(TXT2IMG, {"text": "x", "unknown": {"a": [[0.1]]}}, {}).keys() == {
        "text",
        "unknown",
    }


def test_version_is_used_if_there_is_no_model():
    assert translate_params(TXT2IMG, {"model": "art", "version": "v1.5"}, {}) == {"model": "art"}
    assert translate_params(TXT2IMG, {"model": "", "version": "anime"}, {}) == {"model": "anime"}
    assert translate_params(TXT2IMG, {"version": "anime"}, {}) == {"model": "anime"}


def test_erase_has_both_model_and_version():
    erase = pipelines.find("img2img.inpainting")
    assert translate_params(erase, {"version": "v1.5"}, {}) == {"version": "v1.5"}
    assert translate_params(erase, {"model": "lama", "version": "v1.5"}, {}) == {"model": "lama", "version": "v1.5"}


def test_numbers_may_be_sent_as_text():
    params = TXT2IMG.Params.model_validate(
        translate_params(TXT2IMG, {"text": "x", "w": "640", "guidance_scale": "7"}, {})
    )
    assert (params.w, params.guidance_scale) == (640, 7.0)


def test_request_echoed_by_that_api_can_be_sent_again():
    params = TXT2IMG.Params.model_validate(translate_params(TXT2IMG, ECHO, {}))
    assert params == TXT2IMG.Params(text="Roses", model="dreamlike_v1")


def test_request_echoed_by_our_callback_can_be_sent_again():
    params = TXT2IMG.Params(text="Roses", seed=7, sampler="k_euler_a", variations=[{"seed": 1, "strength": 0.5}])
    task = Task(id="b" * 32, type="txt2img.sd", params=params.model_dump(mode="json"), tenant="t", created_at=0)
    manifest = Manifest(
        outcome=Outcome(task=task, attempt="a", status=Status.SUCCEEDED, finished_at=1), expires_at=9_000_000_000
    )
    echo = callback_body(manifest, Links(b"secret", "http://hua"))["data"]["request"]["model"]
    assert TXT2IMG.Params.model_validate(translate_params(TXT2IMG, echo, {})) == params
