"""The customer's sample of the replaced API: the request that a callback echoes. "" stands for false there."""

from __future__ import annotations

from typing import Any

ECHO: dict[str, Any] = {
    "callback_url": "",
    "use_circular": "",
    "seed": -1,
    "variation_seed": 0,
    "variation_strength": 0,
    "variations": [],
    "num_steps": 20,
    "guidance_scale": 7.5,
    "negative_prompt": "",
    "is_anime": "",
    "version": "dreamlike_v1",
    "sampler": "k_euler",
    "clip_skip": -1,
    "custom_embeddings": {},
    "max_wh": 1024,
    "text": "Roses",
    "w": 512,
    "h": 512,
}
