"""The routes of the ControlNet extension: what there is, and control maps alone."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from models.kinds.controlnet import CONTROLNET
from models.kinds.ip_adapter import IP_ADAPTER
from models.kinds.kind import ModelKind
from pipelines.params.control import HINTS
from server.api.dependencies import CallerDep, Reader, ServicesDep
from server.api.dialects.a1111.controlnet.units import REFERENCE_ONLY, annotator_of, resolution, thresholds
from server.api.dialects.a1111.generation import first_images, run_tasks
from server.api.dialects.a1111.lists import of_kind
from server.api.dialects.a1111.refusals import REFUSED, A1111Route, A1111SubmissionRoute
from server.api.dialects.pictures import result_in_base64
from server.api.dialects.preprocessors import PREPROCESSORS
from server.services import Services
from server.tasks.submission import InvalidParamsError

VERSION, UNITS, MAX_PICTURES = 2, 4, 8
NONE, IP_ADAPTER_MODULE = "None", "ip-adapter-auto"
MODULES = ["none", *PREPROCESSORS, IP_ADAPTER_MODULE, REFERENCE_ONLY]
router = APIRouter(prefix="/controlnet", route_class=A1111Route, responses=REFUSED)
detect_router = APIRouter(prefix="/controlnet", route_class=A1111SubmissionRoute, responses=REFUSED)


class DetectRequest(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    controlnet_module: str = Field("none", max_length=64)
    controlnet_input_images: list[str] = Field(
        [], max_length=MAX_PICTURES, validation_alias=AliasChoices("controlnet_input_images", "controlnet_images")
    )
    controlnet_processor_res: int | None = -1
    controlnet_threshold_a: float | None = None
    controlnet_threshold_b: float | None = None


class DetectReply(BaseModel):
    images: list[str]
    info: str = "Success"


@router.get("/version")
async def get_version(tenant: Reader) -> dict[str, int]:
    return {"version": VERSION}


@router.get("/settings")
async def get_settings(tenant: Reader) -> dict[str, int]:
    return {"control_net_unit_count": UNITS}


@router.get("/model_list")
async def list_models(services: ServicesDep, tenant: Reader) -> dict[str, list[str]]:
    return {"model_list": _models(services)}


@router.get("/module_list")
async def list_modules(tenant: Reader) -> dict[str, Any]:
    return {"module_list": MODULES, "module_detail": {}}


@router.get("/control_types")
async def list_control_types(services: ServicesDep, tenant: Reader) -> dict[str, Any]:
    """By kind of map: its preprocessors and its ControlNets; and the units that are no ControlNet."""
    types = {"All": _control_type(MODULES, [NONE, *_models(services)])}
    for hint in HINTS:
        modules = [module for module, kind in PREPROCESSORS.items() if kind == hint]
        nets = [entry.name for entry in of_kind(services.catalog, CONTROLNET) if entry.hint == hint]
        types[hint.capitalize()] = _control_type(["none", *modules], [NONE, *nets])
    adapters = [NONE, *_names(services, IP_ADAPTER)]
    types["IP-Adapter"] = _control_type([IP_ADAPTER_MODULE], adapters)
    types["Reference"] = _control_type([REFERENCE_ONLY], [NONE])
    return {"control_types": types}


@detect_router.post("/detect")
async def detect(body: DetectRequest, request: Request, services: ServicesDep, caller: CallerDep) -> DetectReply:
    """Draws the control maps of pictures."""
    kind = annotator_of(body.controlnet_module)
    if kind is None or not body.controlnet_input_images:
        missing = "controlnet_module" if kind is None else "controlnet_input_images"
        raise InvalidParamsError(f"{missing} is missing; add it", missing)
    limits = {"threshold_a": body.controlnet_threshold_a, "threshold_b": body.controlnet_threshold_b}
    params = thresholds(kind, limits)
    if (side := resolution(body.controlnet_processor_res)) is not None:
        params["detect_resolution"] = side
    tasks = [(f"control.{kind}_hint", {"url": picture, **params}) for picture in body.controlnet_input_images]
    ended = await run_tasks(services, caller, request, tasks)
    return DetectReply(images=[await result_in_base64(services, image) for image in first_images(ended)])


def _models(services: Services) -> list[str]:
    return [*_names(services, CONTROLNET), *_names(services, IP_ADAPTER)]


def _names(services: Services, kind: ModelKind[Any]) -> list[str]:
    return [entry.name for entry in of_kind(services.catalog, kind)]


def _control_type(modules: list[str], nets: list[str]) -> dict[str, Any]:
    return {
        "module_list": modules,
        "model_list": nets,
        "default_option": modules[min(1, len(modules) - 1)],
        "default_model": nets[min(1, len(nets) - 1)],
    }
