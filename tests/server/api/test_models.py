import pytest

from server.queue import WorkerView


async def test_list_models_shows_the_workers_that_have_each_model(client, painter):
    before = {model["name"]: model for model in (await client.get("/v1/models")).json()}
    assert before["toy"] == {
        "name": "toy",
        "title": "A toy",
        "kind": "checkpoint",
        "family": "sd1",
        "for": None,
        "hint": None,
        "trigger_words": [],
        "side": None,
        "aliases": ["v1.5", "general", "art"],
        "default": True,
        "bytes": 7,
        "resident_on": [],
        "problem": "",
    }
    await client.post("/v1/tasks", json={"type": "txt2img.sd", "params": {"text": "x"}})
    await painter.take()
    after = {model["name"]: model["resident_on"] for model in (await client.get("/v1/models")).json()}
    assert {name: workers for name, workers in after.items() if workers} == {"toy": ["w1"]}


async def test_models_that_cannot_be_used_are_listed_with_the_reason(client, services):
    worker = WorkerView(name="w1", device="cpu", broken={"ink": "toy.safetensors is cut short; copy it again"})
    await services.queue.announce(worker)
    listed = {model["name"]: model["problem"] for model in (await client.get("/v1/models")).json()}
    assert listed["ink"] == "toy.safetensors is cut short; copy it again"
    assert listed["toy"] == ""
    ready = (await client.get("/readyz")).json()
    assert (ready["status"], ready["broken_models"]) == ("ready", worker.broken)


@pytest.mark.parametrize("more_models", ["  - {name: gone, path: gone.safetensors, family: sd1, aliases: [lost]}\n"])
async def test_missing_model_is_listed_and_refused_by_all_its_names(client, services):
    await services.queue.announce(WorkerView(name="w1", device="cpu"))
    assert "gone.safetensors does not exist" in (await client.get("/readyz")).json()["broken_models"]["gone"]
    assert (await client.get("/v1/models")).json()[-1]["name"] == "gone"
    for name in ("gone", "LOST"):
        task = {"type": "txt2img.sd", "params": {"text": "x", "model": name}}
        error = (await client.post("/v1/tasks", json=task)).json()["error"]
        assert error["code"] == "bad_model"
        assert "gone.safetensors does not exist; put the model there" in error["message"]
    task = {"type": "txt2img.sd", "params": {"text": "x"}}
    assert (await client.post("/v1/tasks", json=task)).status_code == 202
