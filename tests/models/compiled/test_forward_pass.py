"""A forward pass as data: it survives the way to another process, and says all that code made of it relies on."""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel

from models.compiled.forward_pass import ForwardPassSpec, flatten_inputs, numbered_parts, run_net
from tests.support.tiny import given_to, tiny_unet


def test_spec_survives_json() -> None:
    net = tiny_unet()
    wanted = ForwardPassSpec.of(net, given_to(net))
    there = ForwardPassSpec.from_json(wanted.to_json())
    assert (there.digest, there.name) == (wanted.digest, wanted.name)
    assert there.name.startswith("unet-2x8x8-")
    assert torch.__version__ in there.name


def test_digest_ignores_numbers() -> None:
    net = tiny_unet()
    before = ForwardPassSpec.of(net, given_to(net)).digest
    for weight in net.parameters():
        weight.data.mul_(2)
    assert ForwardPassSpec.of(net, given_to(net, seed=1)).digest == before


def test_digest_depends_on_all_that_code_relies_on() -> None:
    plain, half, last = tiny_unet(), tiny_unet().half(), tiny_unet().to(memory_format=torch.channels_last)
    said = {name: value for name, value in plain.config.items() if not name.startswith("_")}
    other = UNet2DConditionModel.from_config({**said, "norm_eps": 1e-6})
    given = given_to(plain)
    wider = {**given, "latents": torch.randn(2, 4, 8, 16)}
    turned = {**given, "latents": given["latents"].to(memory_format=torch.channels_last)}
    passes = [ForwardPassSpec.of(net, given) for net in (plain, half, last, other)]
    passes += [ForwardPassSpec.of(plain, each) for each in (wider, turned)]
    assert len({each.digest for each in passes}) == len({each.name for each in passes}) == 6


def test_digest_is_shared_by_devices_of_one_kind() -> None:
    net = tiny_unet()
    wanted = ForwardPassSpec.of(net, given_to(net))
    one, other = (ForwardPassSpec.from_json(wanted.to_json().replace('"cpu"', f'"cuda:{index}"')) for index in (0, 1))
    assert one.digest == other.digest != wanted.digest


def test_run_net_equals_the_call_of_the_net() -> None:
    net = tiny_unet()
    given = given_to(net)
    residuals = [torch.full((2, 8, 8, 8), 0.5) for _ in range(3)]
    plain = net(given["latents"], given["timesteps"], given["embeds"]).sample
    assert torch.equal(run_net(net, given)[0], plain)
    steered = run_net(net, {**given, **flatten_inputs(residuals=residuals)})[0]
    assert numbered_parts(flatten_inputs(residuals=residuals), "residuals") == tuple(residuals)
    assert not torch.allclose(steered, plain)
