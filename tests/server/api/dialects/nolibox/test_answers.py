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
# The fields of the callback in that API's documents, level by level.
DOCUMENTED = {"uid", "success", "data"}
DOCUMENTED_DATA = {
    *{"uid", "cdn", "cos", "safe", "reason", "end_time", "duration", "elapsed_times", "request"},
    *{"createtime", "create_time", "starttime", "start_time"},
}
DOCUMENTED_TIMES = {"pending", "run_algorithm", "algorithm_latencies", "upload", "audit"}
DOCUMENTED_LATENCIES = {"get_model", "inference", "cleanup", "__total__"}
DOCUMENTED_MODEL = {
    *{"callback_url", "use_circular", "seed", "variation_seed", "variation_strength", "variations", "num_steps"},
    *{"guidance_scale", "negative_prompt", "is_anime", "version", "sampler", "clip_skip", "custom_embeddings"},
    *{"max_wh", "text", "w", "h"},
}


def manifest(status: Status, **fields: object) -> Manifest:
    task = Task(id="b" * 32, type="txt2img.sd", params=PARAMS, tenant="t", created_at=100.0)
    timings = {"fetch": 0.0, "load": 0.5, "run": 2.5, "encode": 0.0, "upload": 0.25}
    outcome = Outcome(
        task=task, attempt="a", status=status, started_at=100.5, finished_at=104.0, timings=timings, **fields
    )
    return Manifest(outcome=outcome, expires_at=9_000_000_000)


@pytest.fixture
def finished() -> Manifest:
    image = Image(key="k", width=512, height=512, bytes=1, sha256="0" * 64, seed=7)
    return manifest(Status.SUCCEEDED, images=(image,))


def test_callback_has_every_documented_field(finished):
    body = callback_body(finished, LINKS)
    data = body["data"]
    assert set(body) == DOCUMENTED
    assert set(data) >= DOCUMENTED_DATA
    assert set(data["elapsed_times"]) == DOCUMENTED_TIMES
    assert set(data["elapsed_times"]["algorithm_latencies"]) >= DOCUMENTED_LATENCIES
    assert set(data["request"]) == {"task", "model"}
    assert set(data["request"]["model"]) >= DOCUMENTED_MODEL


def test_finished_task_has_links_times_and_its_request(finished):
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


def test_failed_task_has_a_reason():
    body = callback_body(manifest(Status.FAILED, failure=Failure(code="x", message="no memory")), LINKS)
    assert body["success"] is False
    assert body["data"]["reason"] == "txt2img.sd -> run_algorithm : no memory"
    assert body["data"]["request"]["task"] == "txt2img.sd"
    assert "cdn" not in body["data"]


def test_canceled_task_is_interrupted():
    body = callback_body(manifest(Status.CANCELED), LINKS)
    assert (body["success"], body["data"]["reason"]) == (False, "interrupted")


def image(kind: str = "image", reason: str = "") -> Image:
    return Image(key="k", width=8, height=8, bytes=1, sha256="0" * 64, kind=kind, reason=reason)


def callback_data(task_type: str, **fields: object) -> dict[str, object]:
    succeeded = manifest(Status.SUCCEEDED, **fields)
    task = succeeded.task.model_copy(update={"type": task_type})
    outcome = succeeded.outcome.model_copy(update={"task": task})
    return callback_body(succeeded.model_copy(update={"outcome": outcome}), LINKS)["data"]


def test_composite_has_one_link_and_a_reason():
    data = callback_data("pipeline.paste", images=(image(),))
    assert data["response"] == {"url": data["img_urls"][0], "reason": ""}


def test_withheld_image_has_a_reason_and_no_link():
    body = callback_body(manifest(Status.SUCCEEDED, images=(image(reason="unsafe/concept 9"),)), LINKS)
    assert body["success"] is True
    values = [body["data"][field] for field in ("cdn", "cos", "img_urls", "safe", "reason")]
    assert values == ["", "", [""], False, "unsafe/concept 9"]


def test_images_are_withheld_one_by_one():
    data = callback_data("txt2img.sd", images=(image(), image(reason="unsafe/concept 9")))
    assert data["img_urls"] == [LINKS.image("b" * 32, 0, "png", 9_000_000_000), ""]
    assert (data["cdn"], data["safe"], data["reason"]) == (data["img_urls"][0], False, "unsafe/concept 9")


def test_every_result_shape_tells_what_is_withheld():
    data = callback_data("pipeline.paste", images=(image(reason="unsafe"),))
    assert data["response"] == {"url": "", "reason": "unsafe"}
    response = callback_data("control.canny", images=(image(reason="unsafe"), image(), image("hint")))["response"]
    assert [bool(url) for url in response["result_urls"]] == [False, True]
    assert [bool(url) for url in response["hint_urls"]] == [True]
    assert (response["result_reasons"], response["hint_reasons"]) == (["unsafe", ""], [""])
    response = callback_data("control.canny_hint", images=(image(reason="unsafe"),))["response"]
    assert (response["hint_urls"], response["hint_reasons"], response["result_urls"]) == ([""], ["unsafe"], [])
    intermediate = {"cut": {"hints": [1], "answer": None}}
    answer = {"is_exception": False, "reason": "", "target": None, "intermediate": intermediate}
    images = (image(reason="unsafe"), image("hint"), image("hint", reason="worse"))
    response = callback_data("workflow", images=images, answer=answer)["response"]
    assert (response["urls"], response["reasons"]) == ([""], ["unsafe"])
    assert response["intermediate"] == {"cut": {"urls": [""], "reasons": ["worse"]}}


def test_workflow_has_its_target_and_intermediate_results():
    intermediate = {"cut": {"hints": [1], "answer": None}, "words": {"hints": [], "answer": {"text": "x"}}}
    answer = {"is_exception": False, "reason": "", "target": None, "intermediate": intermediate}
    images = (image(), image("hint"), image("hint"))
    response = callback_data("workflow", images=images, answer=answer)["response"]
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


def test_failed_workflow_tells_the_reason():
    answer = {"is_exception": True, "reason": "node 'a': no", "target": None, "intermediate": {}}
    response = callback_data("workflow", images=(), answer=answer)["response"]
    assert (response["is_exception"], response["urls"], response["reasons"]) == (True, [], ["node 'a': no"])


def test_task_type_of_an_earlier_release_counts_as_images():
    data = callback_data("gone.task", images=(image(),))
    assert data["cdn"] == data["img_urls"][0]
