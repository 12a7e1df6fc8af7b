"""The tools of a folder: a fault in one file is told with its line, and stops no other tool."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.tools.tools import SHIPPED, Tools, UnknownToolError
from tests.support.docs import yaml_blocks

TOOL = """
id: mine
name: Mine
fields:
  - {id: words, type: text, required: true}
nodes:
  - {key: paint, endpoint: txt2img.sd, data: {text: $words}}
target: paint
"""


def test_shipped_tools_have_chinese_names() -> None:
    tools = Tools(None)
    assert tools.broken() == []
    assert len(tools.every()) == len(list(SHIPPED.glob("*.yaml")))
    for tool in tools.every():
        named = (tool, *tool.fields, *(item for field in tool.fields for item in field.items))
        assert all(each.name and each.name_zh for each in named), tool.id
        assert tool.description
        assert tool.description_zh


def test_operators_tools_join_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(TOOL)
    (tmp_path / "notes.txt").write_text("no tool")
    tools = Tools(tmp_path)
    assert tools.find("mine", "anyone").name == "Mine"
    assert len(tools.every()) == len(Tools(None).every()) + 1


def test_operators_tool_replaces_a_shipped_one(tmp_path: Path) -> None:
    shipped = Tools(None).every()[0]
    (tmp_path / "mine.yaml").write_text(TOOL.replace("id: mine", f"id: {shipped.id}"))
    assert Tools(tmp_path).find(shipped.id, "anyone").name == "Mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TOOL.replace("target: paint", "targets: paint"), "bad.yaml, line 8: targets is unknown"),
        (TOOL.replace("type: text", "type: words"), "bad.yaml, line 5: fields.0.type: Input should be"),
        (TOOL.replace("name: Mine", "name: [Mine"), "bad.yaml is not valid YAML: .*line"),
        (TOOL.replace("name: Mine\n", ""), "bad.yaml, line 1: name: Field required"),
        (TOOL.replace("$words", "$word"), r"bad.yaml, line 1: the nodes name \$word"),
        (TOOL + "cover: none.png\n", "its cover none.png is not beside it"),
        (TOOL + "cover: ../x.png\n", "line 9: cover"),
        ("[", "is not valid YAML"),
        ("", "bad.yaml, line 1: "),
        ("a: 2024-13-45", "bad.yaml cannot be read"),
        ("[" * 3000, "bad.yaml"),
        (TOOL.replace("id: mine", "id: good"), "good.yaml has the id 'good' of bad.yaml"),
    ],
)
def test_broken_file_is_told_and_stops_nothing(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "good.yaml").write_text(TOOL.replace("id: mine", "id: good"))
    (tmp_path / "bad.yaml").write_text(text)
    tools = Tools(tmp_path)
    assert tools.find("good", "anyone").name == "Mine"
    [fault] = tools.broken()
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(fault)


def test_other_bytes_and_a_missing_folder_are_told(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"\xff\xfe\xff")
    assert "latin.yaml cannot be read" in Tools(tmp_path).broken()[0]
    missing = Tools(tmp_path / "none")
    assert "HUA_TOOLS_DIR=" in missing.broken()[0]
    assert missing.every()


def test_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(TOOL)
    tools = Tools(tmp_path)
    assert tools.find("mine", "anyone").name == "Mine"
    file.write_text(TOOL.replace("name: Mine", "name: Ours"))
    os.utime(file, ns=(1, 1))
    assert tools.find("mine", "anyone").name == "Ours"
    file.unlink()
    with pytest.raises(UnknownToolError, match="there is no tool 'mine'"):
        tools.find("mine", "anyone")


def test_tool_of_the_docs_is_read(tmp_path: Path) -> None:
    [text] = yaml_blocks("tools.md")
    (tmp_path / "postcard.yaml").write_text(text)
    tools = Tools(tmp_path)
    assert tools.broken() == []
    filled = tools.find("postcard", "anyone").fill({"place": "Hangzhou", "season": "winter"})
    assert filled.params["nodes"][0]["data"] == {
        "text": "watercolour of Hangzhou, snow",
        "negative_prompt": "green leaves",
        "w": 768,
        "h": 512,
    }


def test_tool_of_another_tenant_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(TOOL + "tenants: [acme]\n")
    tools = Tools(tmp_path)
    assert tools.find("mine", "acme")
    with pytest.raises(UnknownToolError) as refusal:
        tools.find("mine", "other")
    assert "did you mean mine" not in str(refusal.value)
