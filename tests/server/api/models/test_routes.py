import pytest

from server.queue import WorkerView


async def test_list_models_shows_the_workers_that_have_each_model(client, services, painter):
    before = {model["name"]: model for model in (await client.get("/v1/models")).json()["data"]}
    file = services.catalog.find("toy").path
    assert before["toy"] == {
        "id": "toy",
        "object": "model",
        "created": int(file.stat().st_mtime),
        "owned_by": "hua",
        "name": "toy",
        "title": "A toy",
        "kind": "checkpoint",
        "family": "sd1",
        "for": None,
        "hint": None,
        "trigger_words": [],
        "reads": ["en"],
        "side": None,
        "aliases": ["v1.5", "general", "art"],
        "default": True,
        "bytes": 7,
        "licence": "",
        "hash": None,
        "sha256": None,
        "tensor_hash": None,
        "preview": None,
        "resident_on": [],
        "problem": "",
    }
    await client.post("/v1/tasks", json={"type": "txt2img.sd", "params": {"text": "x"}})
    await painter.take()
    after = {model["name"]: model["resident_on"] for model in (await client.get("/v1/models")).json()["data"]}
    assert {name: workers for name, workers in after.items() if workers} == {"toy": ["w1"]}


async def test_models_that_cannot_be_used_are_listed_with_the_reason(client, services):
    worker = WorkerView(name="w1", device="cpu", broken={"ink": "toy.safetensors is cut short; copy it again"})
    await services.queue.announce(worker)
    listed = {model["name"]: model["problem"] for model in (await client.get("/v1/models")).json()["data"]}
    assert listed["ink"] == "toy.safetensors is cut short; copy it again"
    assert listed["toy"] == ""
    ready = (await client.get("/readyz")).json()
    assert (ready["status"], ready["broken_models"]) == ("ready", worker.broken)


@pytest.mark.parametrize("more_models", ["  - {name: gone, path: gone.safetensors, family: sd1, aliases: [lost]}\n"])
async def test_missing_model_is_listed_and_refused_by_all_its_names(client, services):
    await services.queue.announce(WorkerView(name="w1", device="cpu"))
    assert "gone.safetensors does not exist" in (await client.get("/readyz")).json()["broken_models"]["gone"]
    assert (await client.get("/v1/models")).json()["data"][-1]["name"] == "gone"
    for name in ("gone", "LOST"):
        task = {"type": "txt2img.sd", "params": {"text": "x", "model": name}}
        error = (await client.post("/v1/tasks", json=task)).json()["error"]
        assert error["code"] == "bad_model"
        assert "gone.safetensors does not exist; put the model there" in error["message"]
    task = {"type": "txt2img.sd", "params": {"text": "x"}}
    assert (await client.post("/v1/tasks", json=task)).status_code == 202


async def names(client, **query) -> list[str]:
    reply = await client.get("/v1/models", params=query)
    assert reply.status_code == 200
    return [model["name"] for model in reply.json()["data"]]


async def test_pages_together_are_the_whole_list(client):
    everything = await names(client)
    pages = [await names(client, page=page, per_page=3) for page in range(1, 5)]
    assert [len(page) for page in pages] == [3, 3, len(everything) - 6, 0]
    assert [name for page in pages for name in page] == everything
    reply = await client.get("/v1/models", params={"per_page": 2})
    assert reply.headers["X-Total-Count"] == str(len(everything))
    assert await names(client, kind="lora", page=2) == []


async def test_filters_leave_only_what_is_like_them(client, services):
    await services.queue.announce(WorkerView(name="w1", device="cpu", broken={"gone": "is cut short"}))
    assert await names(client, kind="lora") == ["ink", "oil"]
    assert await names(client, base="sdxl") == ["oil"]
    assert await names(client, family="sd1", kind="Checkpoint") == ["toy", "anime-toy"]
    assert await names(client, family="nothing") == []
    assert "gone" in await names(client)


async def test_one_model_is_found_by_every_spelling(client):
    one = (await client.get("/v1/models/Anime")).json()
    assert one["name"] == "anime-toy"
    assert one in (await client.get("/v1/models")).json()["data"]
    reply = await client.get("/v1/models/nothing")
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "unknown_model"


async def test_one_model_that_cannot_be_used_is_shown_with_the_reason(client, services):
    await services.queue.announce(WorkerView(name="w1", device="cpu", broken={"other": "is cut short"}))
    assert (await client.get("/v1/models/other")).json()["problem"] == "is cut short"


async def test_preview_is_the_picture_beside_the_file(client, settings, png):
    assert (await client.get("/v1/models/toy/preview")).status_code == 404
    (settings.models_path / "toy.preview.png").write_bytes(png)
    address = (await client.get("/v1/models/toy")).json()["preview"]
    assert address == "http://hua/v1/models/toy/preview"
    reply = await client.get(address)
    assert (reply.content, reply.headers["content-type"]) == (png, "image/png")
    again = await client.get(address, headers={"If-None-Match": reply.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_preview_that_is_no_picture_is_not_sent(client, settings):
    (settings.models_path / "toy.png").write_text("<script>")
    assert (await client.get("/v1/models/toy/preview")).status_code == 404


@pytest.mark.parametrize("overrides", [{"api_keys": ("red:" + "0" * 64,)}])
async def test_preview_needs_a_key(client, settings, png):
    (settings.models_path / "toy.png").write_bytes(png)
    assert (await client.get("/v1/models/toy/preview")).status_code == 401
