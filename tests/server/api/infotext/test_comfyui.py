"""Graphs of ComfyUI as params."""

import json

import pytest


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


GRAPH = {
    "3": node(
        "KSampler",
        seed=8,
        steps=25,
        cfg=6.5,
        sampler_name="dpmpp_2m_sde_gpu",
        scheduler="karras",
        denoise=1.0,
        model=["11", 0],
        positive=["6", 0],
        negative=["7", 0],
        latent_image=["5", 0],
    ),
    "4": node("CheckpointLoaderSimple", ckpt_name="SD15\\toy.safetensors"),
    "5": node("EmptyLatentImage", width=512, height=640, batch_size=2),
    "6": node("CLIPTextEncode", text=["20", 0], clip=["12", 0]),
    "7": node("CLIPTextEncode", text="fog", clip=["12", 0]),
    "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
    "9": node("SaveImage", filename_prefix="ComfyUI", images=["8", 0]),
    "10": node(
        "LoraLoader", lora_name="ink.safetensors", strength_model=0.6, strength_clip=1, model=["4", 0], clip=["4", 1]
    ),
    "11": node("LoraLoader", lora_name="lost.safetensors", strength_model=1, model=["10", 0], clip=["10", 1]),
    "12": node("CLIPSetLastLayer", stop_at_clip_layer=-2, clip=["11", 1]),
    "20": node("StringConstant", string="a house"),
}


async def test_graph_is_read(client, picture_with) -> None:
    data = picture_with(prompt=json.dumps(GRAPH), workflow="{}")
    reply = (await client.post("/v1/infotext", content=data, headers={"Content-Type": "image/png"})).json()
    assert (reply["source"], reply["type"]) == ("comfyui", "txt2img.sd")
    assert reply["params"] == {
        "seed": 8,
        "num_steps": 25,
        "guidance_scale": 6.5,
        "sampler": "dpmpp_2m_sde",
        "sigmas": "karras",
        "text": "a house",
        "negative_prompt": "fog",
        "model": "toy",
        "clip_skip": 1,
        "lora_scales": {"ink": 0.6},
        "w": 512,
        "h": 640,
        "num_samples": 2,
    }
    assert set(reply["not_understood"]) == {"lora_name", "StringConstant (20)"}


async def test_second_sampler_and_other_nodes_are_listed(read) -> None:
    second = node("KSampler", seed=1, steps=9, positive=["6", 0], latent_image=["31", 0], model=["4", 0])
    more = {"30": second, "31": node("LatentUpscaleBy", samples=["3", 0], scale_by=1.5)}
    reply = await read(json.dumps({"prompt": more | GRAPH}))
    assert (reply["params"]["num_steps"], reply["params"]["w"]) == (25, 512)
    assert {"KSampler (30)", "LatentUpscaleBy (31)"} <= reply["not_understood"].keys()


async def test_picture_makes_it_img2img(read) -> None:
    picture = {"5": node("VAEEncode", pixels=["40", 0]), "40": node("LoadImage", image="cat.png")}
    sampler = {"3": {**GRAPH["3"], "inputs": {**GRAPH["3"]["inputs"], "denoise": 0.75}}}
    reply = await read(json.dumps(GRAPH | picture | sampler))
    assert (reply["type"], reply["params"]["fidelity"]) == ("img2img.sd", 0.25)
    assert reply["not_understood"]["image"] == "cat.png"


@pytest.mark.parametrize(
    "graph",
    [
        {"3": node("KSampler", seed=["4", 0], positive=["3", 0], latent_image=["3", 0], model=["3", 0])},
        {"3": node("KSampler", seed=2**70, steps="x", positive=["9", 0], latent_image=[], model=None)},
        {"3": node("KSampler", seed=True, cfg=-1, positive=5, latent_image=["3"], sampler_name=[], scheduler={})},
        {"1": node("SaveImage")},
    ],
)
async def test_odd_graphs_are_no_error(read, graph) -> None:
    reply = await read(json.dumps(graph))
    assert reply["source"] == "comfyui"
    assert reply["not_understood"]


@pytest.mark.parametrize("text", ["{}", "[1]", "[" * 100_000, '{"3": {"class_type": 1, "inputs": {}}}', '{"a": 1e999}'])
async def test_other_json_is_a_prompt(read, text) -> None:
    assert (await read(text))["source"] == "a1111"


async def test_lone_surrogate_is_replaced(read) -> None:
    graph = json.dumps({**GRAPH, "20": node("StringConstant", string="cat @")}).replace("@", "\\ud800")
    assert (await read(graph))["params"]["text"] == "cat ?"
