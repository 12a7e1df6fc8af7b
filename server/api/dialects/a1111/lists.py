"""The lists that A1111's clients read: models, samplers, styles, scripts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter

from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.catalog.names import tag_name
from models.kinds import CHECKPOINT_FAMILIES, FAMILIES
from models.kinds.kind import ModelKind
from models.kinds.lora import LORA
from models.kinds.textual_inversion import TEXTUAL_INVERSION
from models.kinds.upscaler import UPSCALER
from models.kinds.vae import VAE
from pipelines.sampler_names import SAMPLERS
from server.api.dependencies import Reader, ServicesDep
from server.api.dialects.a1111.faces import restorers
from server.api.dialects.a1111.options import title
from server.api.dialects.a1111.refusals import REFUSED, A1111Route
from server.api.dialects.a1111.txt2img import LATENT_METHODS
from server.images.a1111_names import SAMPLERS as LABELS
from server.images.a1111_names import SCHEDULERS

Items = list[dict[str, Any]]
PLAIN_UPSCALERS = "None", "Lanczos"
router = APIRouter(route_class=A1111Route, responses=REFUSED)


def of_kind(catalog: Catalog, kind: ModelKind[Any]) -> Iterator[ModelEntry]:
    return (entry for entry in catalog if FAMILIES[entry.family].kind is kind)


@router.get("/sd-models")
async def list_checkpoints(services: ServicesDep, tenant: Reader) -> Items:
    """The checkpoints. `filename` is the name of the file alone: its folder is the operator's."""
    catalog, items = services.catalog, []
    for entry in (entry for entry in catalog if entry.family in CHECKPOINT_FAMILIES):
        known = catalog.hash_of(entry)
        items.append(
            {
                "title": title(catalog, entry),
                "model_name": entry.name,
                "hash": known.sha256[:10] if known else None,
                "sha256": known.sha256 if known else None,
                "filename": entry.path.name,
                "config": None,
            }
        )
    return items


@router.get("/sd-vae")
async def list_vaes(services: ServicesDep, tenant: Reader) -> Items:
    """The separate VAEs; `model_name` is what the option `sd_vae` takes."""
    return [{"model_name": entry.name, "filename": entry.path.name} for entry in of_kind(services.catalog, VAE)]


@router.get("/loras")
async def list_loras(services: ServicesDep, tenant: Reader) -> Items:
    """The LoRAs; `name` is what a prompt writes in `<lora:…>`."""
    return [
        {
            "name": tag_name(entry),
            "alias": entry.title or entry.name,
            "path": entry.path.name,
            "metadata": {"ss_tag_frequency": {"": dict.fromkeys(entry.trigger_words, 1)}}
            if entry.trigger_words
            else {},
        }
        for entry in of_kind(services.catalog, LORA)
    ]


@router.get("/embeddings")
async def list_embeddings(services: ServicesDep, tenant: Reader) -> dict[str, Any]:
    """The embeddings, which prompts mention by name."""
    loaded = {
        entry.name: {"step": None, "sd_checkpoint": None, "sd_checkpoint_name": None, "shape": 0, "vectors": 0}
        for entry in of_kind(services.catalog, TEXTUAL_INVERSION)
    }
    return {"loaded": loaded, "skipped": {}}


@router.get("/upscalers")
async def list_upscalers(services: ServicesDep, tenant: Reader) -> Items:
    """Plain filters first, then the nets."""
    nets = [entry.name for entry in of_kind(services.catalog, UPSCALER)]
    return [
        {"name": name, "model_name": None, "model_path": None, "model_url": None, "scale": 4}
        for name in (*PLAIN_UPSCALERS, *nets)
    ]


@router.get("/latent-upscale-modes")
async def list_latent_upscale_modes(tenant: Reader) -> Items:
    return [{"name": name.capitalize()} for name in LATENT_METHODS if name.startswith("latent")]


@router.get("/samplers")
async def list_samplers(tenant: Reader) -> Items:
    names = {LABELS[name]: name for name in reversed(SAMPLERS)}
    return [{"name": label, "aliases": [name, f"k_{name}"], "options": {}} for label, name in reversed(names.items())]


@router.get("/schedulers")
async def list_schedulers(tenant: Reader) -> Items:
    return [
        {"name": name, "label": label, "aliases": None, "default_rho": -1, "need_inner_model": False}
        for name, (label, _) in SCHEDULERS.items()
    ]


@router.get("/prompt-styles")
async def list_styles(services: ServicesDep, tenant: Reader) -> Items:
    """The operator's styles (`styles:` in models.yaml)."""
    return [
        {"name": style.title or style.id, "prompt": style.prompt, "negative_prompt": style.negative_prompt}
        for style in services.catalog.styles.values()
    ]


@router.get("/face-restorers")
async def list_face_restorers(services: ServicesDep, tenant: Reader) -> Items:
    """The models that repair faces; the option `face_restoration_model` names one."""
    return [{"name": entry.name, "cmd_dir": None} for entry in restorers(services.catalog)]


@router.get("/hypernetworks")
@router.get("/extensions")
async def list_nothing(tenant: Reader) -> Items:
    """What this server does not have."""
    return []


@router.get("/realesrgan-models")
async def list_realesrgan_models(services: ServicesDep, tenant: Reader) -> Items:
    return [{"name": entry.name, "path": None, "scale": 4} for entry in of_kind(services.catalog, UPSCALER)]


@router.get("/scripts")
async def list_scripts(tenant: Reader) -> dict[str, list[str]]:
    """ControlNet alone. Its second name is the one by which webuiapi knows that ControlNet is there."""
    return {"txt2img": ["controlnet", "controlnet m2m"], "img2img": ["controlnet", "controlnet m2m"]}


@router.get("/script-info")
async def list_script_info(tenant: Reader) -> Items:
    return [
        {"name": "controlnet", "is_alwayson": True, "is_img2img": is_img2img, "args": []}
        for is_img2img in (False, True)
    ]
