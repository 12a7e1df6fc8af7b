import pytest

from models.adapters.lora_tags import LoraTagError, Scales, rename_lora_tags, split_lora_tags


@pytest.mark.parametrize(
    ("tag", "scales"),
    [
        ("<lora:Ink>", Scales(1, 1)),
        ("<lora:ink:0.8>", Scales(0.8, 0.8)),
        ("<lora:ink:0.5:0.8>", Scales(unet=0.8, text=0.5)),
        ("<lora:ink:te=0.5:unet=-1>", Scales(unet=-1, text=0.5)),
        ("<lora:ink:0.5:unet=2>", Scales(unet=2, text=0.5)),
        ("<LORA: ink : .5 >", Scales(0.5, 0.5)),
    ],
)
def test_tag_has_a_name_and_scales(tag: str, scales: Scales) -> None:
    assert split_lora_tags(f"a cat {tag}, sitting") == ("a cat , sitting", [("ink", scales)])


def test_other_text_stays_in_the_prompt() -> None:
    assert split_lora_tags("a <b> lora:c <hypernet:d:1>") == ("a <b> lora:c <hypernet:d:1>", [])


@pytest.mark.parametrize(
    "tag", ["<lora:>", "<lora::1>", "<lora:a:b>", "<lora:a:1:1:1>", "<lora:a:dyn=4>", "<lora:a:nan>", "<lora:a:11>"]
)
def test_wrong_tags_are_refused(tag: str) -> None:
    with pytest.raises(LoraTagError, match="lora:"):
        split_lora_tags(tag)


def test_tags_keep_their_scales_under_another_name() -> None:
    names = {"0123456789": "Ink", "ab": "x"}
    prompt = "a <lora:0123456789:0.8>, <LORA: AB >, <lora:abc:te=1>"
    assert rename_lora_tags(prompt, names) == "a <lora:Ink:0.8>, <lora:x>, <lora:abc:te=1>"
