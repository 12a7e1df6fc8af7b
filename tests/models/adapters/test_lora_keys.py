"""Names of modules in LoRA files, against the writer of single files that diffusers reads."""

import pytest
import torch

from models.adapters.lora_keys import modules_by_name, original_paths
from models.toy import nets
from models.toy.nets import TOYS
from tests.support.ldm_layout import unet_to_ldm


@pytest.mark.parametrize("toy", TOYS[:3], ids=lambda toy: toy.name)
def test_original_paths_equal_those_of_single_files(toy: nets.Toy) -> None:
    unet = nets.unet(toy)
    names = original_paths(unet)
    paths = [path for path, module in unet.named_modules() if isinstance(module, torch.nn.Linear | torch.nn.Conv2d)]
    numbered = {f"{path}.weight": torch.tensor(index) for index, path in enumerate(paths)}
    expected = {int(index): key.removesuffix(".weight") for key, index in unet_to_ldm(numbered).items()}
    assert [names[path] for path in paths] == [expected[index] for index in range(len(paths))]


def test_module_has_all_its_names() -> None:
    unet = nets.unet(TOYS[2])
    names = modules_by_name(unet)
    module = unet.get_submodule("down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0")
    for block in ("down_blocks_1_attentions_0", "input_blocks_3_1"):
        for end in ("to_out_0", "to_out"):
            if block.startswith("down") or end == "to_out_0":
                assert names[f"{block}_transformer_blocks_0_attn1_{end}"] is module
    assert names["middle_block_0_in_layers_2"] is unet.mid_block.resnets[0].conv1


def test_text_encoder_names_ignore_the_wrapper_class() -> None:
    with_projection = nets.text_encoder(TOYS[2], 64, 600, projection=True)
    plain = nets.text_encoder(TOYS[2], 64, 600, projection=False)
    assert modules_by_name(with_projection).keys() - {"text_projection"} == modules_by_name(plain).keys()
    assert "encoder_layers_0_self_attn_q_proj" in modules_by_name(plain)
