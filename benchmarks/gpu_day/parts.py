"""The parts of the day, in the order in which their results are needed."""

from __future__ import annotations

from benchmarks.gpu_day.runner import Part

PACKAGE = "benchmarks.gpu_day"
RIGHT, FAST, TIME, MORE = "Does it run right", "How fast", "Where the time goes", "What else"
YAML = "models.yaml"

PARTS: tuple[Part, ...] = (
    Part(
        "toys", RIGHT, "the toy models are built", f"{PACKAGE}.models:toys", needs=lambda plan: plan.toy_models / YAML
    ),
    Part("suite", RIGHT, "the suite's CUDA tests", f"{PACKAGE}.suite:cuda_tests"),
    Part("parity-toys", RIGHT, "images equal those of diffusers, toys", f"{PACKAGE}.parity:toys"),
    Part("replay", RIGHT, "a replayed graph equals eager steps, bit for bit", f"{PACKAGE}.graphs:replay"),
    Part("fallback", RIGHT, "a step that cannot be captured runs eagerly", f"{PACKAGE}.graphs:fallback"),
    Part("split", RIGHT, "a batch that does not fit is split", f"{PACKAGE}.batches:split"),
    Part("overflow", RIGHT, "an image that overflows in half precision is done again", f"{PACKAGE}.overflow:decoder"),
    Part("alone", RIGHT, "strict images are the same alone and in a crowd", f"{PACKAGE}.batches:alone_and_in_a_crowd"),
    Part("killed", RIGHT, "a killed device process makes the same image again", f"{PACKAGE}.death:killed_and_parked"),
    Part("switch", RIGHT, "a switch of models captures nothing again", f"{PACKAGE}.graphs:switch"),
    Part(
        "full-size",
        RIGHT,
        "full-size nets with random weights are built",
        f"{PACKAGE}.models:full_size",
        needs=lambda plan: plan.full_models / YAML,
    ),
    Part("parity-sd1", RIGHT, "images equal those of diffusers, SD 1.5", f"{PACKAGE}.parity:sd1"),
    Part("parity-sdxl", RIGHT, "images equal those of diffusers, SDXL", f"{PACKAGE}.parity:sdxl"),
    Part("replay-full", RIGHT, "as `replay`, full size", f"{PACKAGE}.graphs:replay_full"),
    Part("single-sd1", FAST, "one image of SD 1.5 after another, with both baselines", f"{PACKAGE}.speed:single_sd1"),
    Part("crowd", FAST, "sixteen tasks at once", f"{PACKAGE}.speed:crowd"),
    Part("curve", FAST, "steps by the rows of their batch", f"{PACKAGE}.speed:curve"),
    Part("pieces", FAST, "decoder, super-resolution, PNG", f"{PACKAGE}.speed:pieces"),
    Part("swap", FAST, "change of the model", f"{PACKAGE}.speed:swap"),
    Part("single-sdxl", FAST, "one image of SDXL after another", f"{PACKAGE}.speed:single_sdxl"),
    Part("single-controlnet", FAST, "one image with a ControlNet after another", f"{PACKAGE}.speed:single_controlnet"),
    Part("idle", TIME, "time without a kernel under constant load", f"{PACKAGE}.speed:idle"),
    Part("trace", TIME, "a profile of saturated steps and of the gaps between them", f"{PACKAGE}.trace:profile"),
    Part("levers", MORE, "what each performance option gains", f"{PACKAGE}.levers:options"),
    Part("attention", MORE, "a step by each attention kernel of torch", f"{PACKAGE}.levers:attention"),
    Part("memory", MORE, "predicted and measured memory of steps", f"{PACKAGE}.memory:prediction"),
    Part("packages", MORE, "compiled passes inside captured graphs", f"{PACKAGE}.levers:packages"),
)
