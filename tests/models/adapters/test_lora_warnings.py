from models.adapters.lora_warnings import shorten, skipped_parts


def test_what_has_no_effect_is_named() -> None:
    updates = {"unet": ["conv_in", "conv_new"], "text_encoder_2": ["final_layer_norm"]}
    assert list(skipped_parts("ink", ["x"], updates, {"unet": ["conv_in"]})) == [
        "LoRA 'ink': keys that are not understood have no effect: x",
        "LoRA 'ink': modules that the model lacks have no effect: unet conv_new, text_encoder_2 final_layer_norm",
    ]
    assert list(skipped_parts("ink", [], {"unet": ["conv_in"]}, {"unet": ["conv_in"]})) == []


def test_long_lists_are_cut() -> None:
    assert shorten(["a"] * 10) == ", ".join("a" * 10)
    assert shorten(["a"] * 12).endswith("a and 2 more")
