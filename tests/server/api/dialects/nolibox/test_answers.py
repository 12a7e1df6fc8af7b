import pytest

from server.api.dialects.nolibox.answers import callback_body
from server.storage.signed_links import Links
from server.task import Failure, Image, Manifest, Outcome, Status, Task

LINKS = Links(b"secret", "http://hua")
PARAMS = {
    "callback_url": "",
    "use_circular": False,
    "seed": 7,
    "variation_seed": 0,
    "variation_strength": 0,
    "variations": [],
    "num_steps": 20,
    "guidance_scale": 7.5,
    "negative_prompt": "",
    "is_anime": False,
    "model": "dreamlike_v1",
    "sampler": "euler",
    "clip_skip": -1,
    "max_wh": 1024,
    "text": "Roses",
    "w": 512,
    "h": 512,
}
# The fields of the callback that the API's customers were shown, level by level.
SHOWN = {"uid", "success", "data"}
SHOWN_DATA = {
    *{"uid", "cdn", "cos", "safe", "reason", "end_time", "duration", "elapsed_times", "request"},
    *{"createtime", "create_time", "starttime", "start_time"},
}
SHOWN_TIMES = {"pending", "run_algorithm", "algorithm_latencies", "upload", "audit"}
SHOWN_LATENCIES = {"get_model", "inference", "cleanup", "__total__"}
SHOWN_MODEL = {
    *{"callback_url", "use_circular", "seed", "variation_seed", "variation_strength", "variations", "num_steps"},
    *{"guidance_scale", "negative_prompt", "is_anime", "version", "sampler", "clip_skip", "custom_embeddings"},
    *{"max_wh", "text", "w", "h"},
}


def manifest(status: Status, **what: object) -> Manifest:
    task = Task(id="b" * 32, type="txt2img.sd", params=PARAMS, tenant="t", created_at=100.0)
    timings = {"fetch": 0.0, "load": 0.5, "run": 2.5, "encode": 0.0, "upload": 0.25}
    outcome = Outcome(
        task=task, attempt="a", status=status, started_at=100.5, finished_at=104.0, timings=timings, **what
    )
    return Manifest(outcome=outcome, expires_at=9_000_000_000)


@pytest.fixture
def finished() -> Manifest:
    image = Image(key="k", width=512, height=512, bytes=1, sha256="0" * 64, seed=7)
    return manifest(Status.SUCCEEDED, images=(image,))


def test_a_callback_has_every_field_that_customers_were_shown(finished):
    body = callback_body(finished, LINKS)
    data = body["data"]
    assert set(body) == SHOWN
    assert set(data) >= SHOWN_DATA
    assert set(data["elapsed_times"]) == SHOWN_TIMES
    assert set(data["elapsed_times"]["algorithm_latencies"]) >= SHOWN_LATENCIES
    assert set(data["request"]) == {"task", "model"}
    assert set(data["request"]["model"]) >= SHOWN_MODEL


def test_a_finished_task_is_told_with_links_times_and_its_request(finished):
    body = callback_body(finished, LINKS)
    data = body["data"]
    assert body["uid"] == data["uid"] == "b" * 32
    assert body["success"] is True
    assert data["cdn"] == data["cos"] == data["img_urls"][0] == LINKS.image("b" * 32, 0, "png", 9_000_000_000)
    assert (data["safe"], data["reason"]) == (True, "")
    assert data["createtime"] == data["create_time"] == 100.0
    assert data["starttime"] == data["start_time"] == 100.5
    assert (data["end_time"], data["duration"]) == (104.0, 4.0)
    assert data["elapsed_times"]["pending"] == 0.5
    assert data["elapsed_times"]["run_algorithm"] == data["elapsed_times"]["algorithm_latencies"]["__total__"] == 3.0
    assert data["elapsed_times"]["upload"] == 0.25
    model = data["request"]["model"]
    assert (model["version"], model["sampler"], model["seed"]) == ("dreamlike_v1", "k_euler", 7)


def test_a_failed_task_is_told_with_its_reason():
    body = callback_body(manifest(Status.FAILED, failure=Failure(code="x", message="no memory")), LINKS)
    assert body["success"] is False
    assert body["data"]["reason"] == "txt2img.sd -> run_algorithm : no memory"
    assert body["data"]["request"]["task"] == "txt2img.sd"
    assert "cdn" not in body["data"]


def test_a_canceled_task_is_told_as_interrupted():
    body = callback_body(manifest(Status.CANCELED), LINKS)
    assert (body["success"], body["data"]["reason"]) == (False, "interrupted")


def image(kind: str = "image", reason: str = "") -> Image:
    return Image(key="k", width=8, height=8, bytes=1, sha256="0" * 64, kind=kind, reason=reason)


def answered(kind: str, **what: object) -> dict[str, object]:
    made = manifest(Status.SUCCEEDED, **what)
    task = made.task.model_copy(update={"type": kind})
    outcome = made.outcome.model_copy(update={"task": task})
    return callback_body(made.model_copy(update={"outcome": outcome}), LINKS)["data"]


def test_a_paste_answers_its_picture_and_a_reason():
    data = answered("pipeline.paste", images=(image(),))
    assert data["response"] == {"url": data["img_urls"][0], "reason": ""}


def test_a_picture_that_is_withheld_has_a_reason_and_no_link():
    body = callback_body(manifest(Status.SUCCEEDED, images=(image(reason="unsafe/concept 9"),)), LINKS)
    assert body["success"] is True
    told = [body["data"][field] for field in ("cdn", "cos", "img_urls", "safe", "reason")]
    assert told == ["", "", [""], False, "unsafe/concept 9"]


def test_of_several_pictures_each_is_withheld_for_itself():
    data = answered("txt2img.sd", images=(image(), image(reason="unsafe/concept 9")))
    assert data["img_urls"] == [LINKS.image("b" * 32, 0, "png", 9_000_000_000), ""]
    assert (data["cdn"], data["safe"], data["reason"]) == (data["img_urls"][0], False, "unsafe/concept 9")


def test_tasks_with_a_response_of_their_own_tell_there_what_is_withheld():
    data = answered("pipeline.paste", images=(image(reason="unsafe"),))
    assert data["response"] == {"url": "", "reason": "unsafe"}
    response = answered("control.canny", images=(image(reason="unsafe"), image(), image("hint")))["response"]
    assert [bool(url) for url in response["result_urls"]] == [False, True]
    assert [bool(url) for url in response["hint_urls"]] == [True]
    assert (response["result_reasons"], response["hint_reasons"]) == (["unsafe", ""], [""])
    response = answered("control.canny_hint", images=(image(reason="unsafe"),))["response"]
    assert (response["hint_urls"], response["hint_reasons"], response["result_urls"]) == ([""], ["unsafe"], [])
    between = {"cut": {"hints": [1], "answer": None}}
    answer = {"is_exception": False, "reason": "", "target": None, "intermediate": between}
    images = (image(reason="unsafe"), image("hint"), image("hint", reason="worse"))
    response = answered("workflow", images=images, answer=answer)["response"]
    assert (response["urls"], response["reasons"]) == ([""], ["unsafe"])
    assert response["intermediate"] == {"cut": {"urls": [""], "reasons": ["worse"]}}


def test_a_workflow_answers_its_target_and_what_was_made_on_the_way():
    between = {"cut": {"hints": [1], "answer": None}, "words": {"hints": [], "answer": {"text": "x"}}}
    answer = {"is_exception": False, "reason": "", "target": None, "intermediate": between}
    images = (image(), image("hint"), image("hint"))
    response = answered("workflow", images=images, answer=answer)["response"]
    (url,) = response["urls"]
    assert response == {
        "is_exception": False,
        "urls": [url],
        "reasons": [""],
        "intermediate": {
            "cut": {"urls": [LINKS.image("b" * 32, 2, "png", 9_000_000_000)], "reasons": [""]},
            "words": {"urls": [], "reasons": [], "answer": {"text": "x"}},
        },
    }


def test_a_workflow_that_failed_on_the_way_says_why():
    answer = {"is_exception": True, "reason": "node 'a': no", "target": None, "intermediate": {}}
    response = answered("workflow", images=(), answer=answer)["response"]
    assert (response["is_exception"], response["urls"], response["reasons"]) == (True, [], ["node 'a': no"])
