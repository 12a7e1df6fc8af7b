"""The spec of a forward pass survives JSON, and its digest covers all that compiled code depends on."""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel

from models.compiled.forward_pass import ForwardPassSpec, flatten_inputs, numbered_parts, run_net
from tests.support.tiny import make_inputs, tiny_unet


def test_spec_survives_json() -> None:
    net = tiny_unet()
    spec = ForwardPassSpec.of(net, make_inputs(net))
    copy = ForwardPassSpec.from_json(spec.to_json())
    assert (copy.digest, copy.name) == (spec.digest, spec.name)
    assert copy.name.startswith("unet-2x8x8-")
    assert torch.__version__ in copy.name


def test_digest_ignores_numbers() -> None:
    net = tiny_unet()
    before = ForwardPassSpec.of(net, make_inputs(net)).digest
    for weight in net.parameters():
        weight.data.mul_(2)
    assert ForwardPassSpec.of(net, make_inputs(net, seed=1)).digest == before


def test_digest_depends_on_all_that_code_relies_on() -> None:
    plain, half, last = tiny_unet(), tiny_unet().half(), tiny_unet().to(memory_format=torch.channels_last)
    config = {name: value for name, value in plain.config.items() if not name.startswith("_")}
    other = UNet2DConditionModel.from_config({**config, "norm_eps": 1e-6})
    inputs = make_inputs(plain)
    wider = {**inputs, "latents": torch.randn(2, 4, 8, 16)}
    turned = {**inputs, "latents": inputs["latents"].to(memory_format=torch.channels_last)}
    passes = [ForwardPassSpec.of(net, inputs) for net in (plain, half, last, other)]
    passes += [ForwardPassSpec.of(plain, each) for each in (wider, turned)]
    assert len({each.digest for each in passes}) == len({each.name for each in passes}) == 6


def test_digest_is_shared_by_devices_of_one_kind() -> None:
    net = tiny_unet()
    spec = ForwardPassSpec.of(net, make_inputs(net))
    one, other = (ForwardPassSpec.from_json(spec.to_json().replace('"cpu"', f'"cuda:{index}"')) for index in (0, 1))
    assert one.digest == other.digest != spec.digest


def test_run_net_equals_the_call_of_the_net() -> None:
    net = tiny_unet()
    inputs = make_inputs(net)
    residuals = [torch.full((2, 8, 8, 8), 0.5) for _ in range(3)]
    plain = net(inputs["latents"], inputs["timesteps"], inputs["embeds"]).sample
    assert torch.equal(run_net(net, inputs)[0], plain)
    steered = run_net(net, {**inputs, **flatten_inputs(residuals=residuals)})[0]
    assert numbered_parts(flatten_inputs(residuals=residuals), "residuals") == tuple(residuals)
    assert not torch.allclose(steered, plain)
