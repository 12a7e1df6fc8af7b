async def test_list_models_shows_the_workers_that_have_each_model(client, painter):
    before = {model["name"]: model for model in (await client.get("/v1/models")).json()}
    assert before["toy"] == {
        "name": "toy",
        "title": "A toy",
        "family": "sd1",
        "for": None,
        "hint": None,
        "side": None,
        "aliases": ["v1.5", "general", "art"],
        "default": True,
        "bytes": 7,
        "resident_on": [],
    }
    await client.post("/v1/tasks", json={"type": "txt2img.sd", "params": {"text": "x"}})
    await painter.take()
    after = {model["name"]: model["resident_on"] for model in (await client.get("/v1/models")).json()}
    assert {name: workers for name, workers in after.items() if workers} == {"toy": ["w1"]}
