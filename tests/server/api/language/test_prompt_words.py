import pytest

STYLES = """
styles:
  - {id: 7, title: Oil, prompt: "{prompt}, oil on canvas", negative_prompt: photo, model: toy, loras: {ink: 0.5}}
  - {id: plain}
"""


@pytest.mark.parametrize("more_models", [STYLES])
async def test_styles_are_listed(client) -> None:
    oil, plain = (await client.get("/v1/styles")).json()
    assert oil == {
        "id": "7",
        "title": "Oil",
        "prompt": "{prompt}, oil on canvas",
        "negative_prompt": "photo",
        "model": "toy",
        "loras": {"ink": 0.5},
    }
    assert plain == {
        "id": "plain",
        "title": "plain",
        "prompt": "{prompt}",
        "negative_prompt": "",
        "model": None,
        "loras": {},
    }


async def test_nothing_is_listed_where_the_operator_has_nothing(client) -> None:
    assert (await client.get("/v1/styles")).json() == (await client.get("/v1/wildcards")).json() == []


@pytest.fixture
def wildcards(tmp_path, overrides):
    folder = overrides["wildcards_dir"] = tmp_path / "wildcards"
    (folder / "season").mkdir(parents=True)
    return folder


async def test_wildcards_are_listed_as_prompts_name_them(wildcards, client) -> None:
    (wildcards / "animals.txt").write_text("cat\ndog\n")
    (wildcards / "season" / "spring.txt").write_text("tulip\n")
    assert (await client.get("/v1/wildcards")).json() == [{"name": "animals"}, {"name": "season/spring"}]
