"""Infotext read back, from Hua and from the web UI."""

from __future__ import annotations

import pytest

from server.images.infotext_reader import read_infotext

WEB_UI = """masterpiece, (best quality:1.2),
a house <lora:ink:0.8>
Negative prompt: fog,
low quality
Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 42, Size: 512x768, Model hash: 0123abcdef, \
Model: some model, Clip skip: 2, Hires prompt: "a, b: c", Lora hashes: "ink: 0a1b", Version: v1.10.1"""


def test_text_of_the_web_ui() -> None:
    settings = read_infotext(WEB_UI)
    assert settings["Prompt"] == "masterpiece, (best quality:1.2),\na house <lora:ink:0.8>"
    assert settings["Negative prompt"] == "fog,\nlow quality"
    assert (settings["Sampler"], settings["Schedule type"], settings["Seed"]) == ("DPM++ 2M", "Karras", "42")
    assert (settings["Size"], settings["Size-1"], settings["Size-2"]) == ("512x768", "512", "768")
    assert (settings["Hires prompt"], settings["Lora hashes"]) == ("a, b: c", "ink: 0a1b")


def test_prompt_alone() -> None:
    assert read_infotext("a house, with a garden: large") == {
        "Prompt": "a house, with a garden: large",
        "Negative prompt": "",
    }
    assert read_infotext("") == {"Prompt": "", "Negative prompt": ""}


def test_sizes_are_read_in_parts() -> None:
    settings = read_infotext("a\nSteps: 4, Size: 64x96, Hires resize: 128x192, Seed: 1")
    assert (settings["Hires resize-1"], settings["Hires resize-2"], settings["Size-2"]) == ("128", "192", "96")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('Steps: 4, A: "b, c", D: e', {"A": "b, c", "D": "e"}),
        ('Steps: 4, A: "b" c, D: e', {"A": '"b" c', "D": "e"}),
        ('Steps: 4, A: "b, D: e, F: "g', {"A": '"b', "D": "e", "F": '"g'}),
        ('Steps: 4, A: "b\\x, c", D: e', {"A": '"b\\x, c"', "D": "e"}),
        ("Steps: 4, (no name, B: , , C: d", {"B": "", "C": "d"}),
    ],
)
def test_odd_settings(line: str, expected: dict[str, str]) -> None:
    settings = read_infotext(line)
    assert {name: settings[name] for name in expected} == expected


@pytest.mark.parametrize("part", ["a", " ", "a:", "a: ", 'a: "', 'a: "\\",', "a,", "\n", ": ", "a: b, "])
def test_long_texts_are_read_at_once(part: str) -> None:
    """With a search that looks back, each of these would take minutes."""
    assert read_infotext(part * 300_000)["Negative prompt"] == ""
