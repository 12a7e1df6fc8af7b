"""Infotext read back, from Hua and from the web UI."""

from __future__ import annotations

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
