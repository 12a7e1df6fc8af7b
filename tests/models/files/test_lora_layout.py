"""The keys of trainers, each with the part, the module and the role that it names."""

import pytest

from models.files.lora_layout import parse_key, read_layout

MODULE = "down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
MAGNITUDE = "lora_magnitude_vector"
FC1 = "encoder_layers_0_mlp_fc1"
QUERY = "encoder_layers_0_self_attn_q_proj"
DOTTED = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
LDM = "input_blocks.1.1.transformer_blocks.0.attn1.to_q"


@pytest.mark.parametrize(
    ("key", "part", "module", "role"),
    [
        (f"lora_unet_{MODULE}.lora_down.weight", "unet", MODULE, "down"),
        (f"lora_unet.{DOTTED}.lora_up.weight", "unet", MODULE, "up"),
        (f"lycoris_{MODULE}.lokr_w1", "unet", MODULE, "lokr_w1"),
        (f"oft_unet_{MODULE}.oft_blocks", "unet", MODULE, "oft_blocks"),
        (f"diffusion_model.{LDM}.lora_A.weight", "unet", LDM.replace(".", "_"), "down"),
        (f"model.diffusion_model.{LDM}.lora_B.weight", "unet", LDM.replace(".", "_"), "up"),
        (f"base_model.model.{DOTTED}.lora_A.weight", "unet", MODULE, "down"),
        (f"unet.base_model.model.{DOTTED}.{MAGNITUDE}.default.weight", "unet", MODULE, MAGNITUDE),
        (f"unet.{DOTTED.replace('to_q', 'processor.to_q_lora')}.down.weight", "unet", MODULE, "down"),
        (f"{DOTTED.replace('to_q', 'processor.to_q_lora')}.up.weight", "unet", MODULE, "up"),
        (f"lora_unet_{MODULE}.a1.weight", "unet", MODULE, "a1"),
        (f"lora_unet_{MODULE}.w_norm", "unet", MODULE, "diff"),
        (f"lora_unet_{MODULE}.b_norm", "unet", MODULE, "diff_b"),
        ("lora_te1.text_model.encoder.layers.0.mlp.fc1.lora_down.weight", "text_encoder", FC1, "down"),
        ("clip_g.text_model.encoder.layers.0.mlp.fc1.hada_w1_a", "text_encoder_2", FC1, "hada_w1_a"),
        ("text_encoders.clip_l.transformer.text_model.encoder.layers.0.mlp.fc1.lora_up.weight", "text_encoder", FC1,
         "up"),
        ("text_encoder.text_model.encoder.layers.0.self_attn.to_q_lora.up.weight", "text_encoder", QUERY, "up"),
        ("text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.up.weight", "text_encoder", QUERY,
         "up"),
    ],
)  # fmt: skip
def test_spellings_of_trainers(key: str, part: str, module: str, role: str) -> None:
    assert parse_key(key) == (part, module, role)


@pytest.mark.parametrize(
    "key",
    [
        "lora_unet_double_blocks_0_img_attn_proj.lora_down.weight",
        "lora_te3_encoder_block_0_layer_0_SelfAttention_q.lora_down.weight",
        f"lora_unet_{MODULE}.vera_d",
        "bundle_emb.x.string_to_param",
    ],
)
def test_keys_for_other_nets_and_algorithms_are_not_understood(key: str) -> None:
    assert parse_key(key) is None


def test_module_without_factors_has_no_update() -> None:
    keys = [f"lora_unet_{MODULE}.alpha", f"lora_unet_{MODULE}.new_factor", f"lora_unet_{MODULE}2.lora_down.weight"]
    layout = read_layout(keys)
    assert layout.keys == {"unet": {f"{MODULE}2": {"down": keys[2]}}}
    assert layout.skipped == tuple(keys[:2])
    assert read_layout(keys[:2]).keys == {}
