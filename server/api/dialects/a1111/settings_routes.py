"""Options of the caller, and what clients read about the server or ask it to do that needs no doing here."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from server.api.dependencies import CallerDep, Reader, ServicesDep, Submitter
from server.api.dialects.a1111.options import Options, change_options, read_options
from server.api.dialects.a1111.refusals import REFUSED, A1111Route
from server.api.models.refreshing import refresh_catalog

router = APIRouter(route_class=A1111Route, responses=REFUSED)


class MemoryReply(BaseModel):
    ram: dict[str, float]
    cuda: dict[str, Any]


@router.get("/options")
async def get_options(services: ServicesDep, caller: CallerDep) -> dict[str, Any]:
    """The options of your key."""
    caller.require("read")
    return await read_options(services, caller)


@router.post("/options")
async def set_options(changes: Options, services: ServicesDep, caller: CallerDep) -> None:
    """Changes options for your key, and for no other one. Options of the web UI that mean nothing here are kept."""
    caller.require("submit")
    await change_options(services, caller, changes)


@router.get("/cmd-flags")
async def get_flags(tenant: Reader) -> dict[str, Any]:
    """The command line of the web UI, as far as clients look at it."""
    return {"api": True, "listen": True, "api_auth": None, "cors_allow_origins": None}


@router.get("/memory")
async def get_memory(services: ServicesDep, tenant: Reader) -> MemoryReply:
    """Bytes that models take on the devices of all workers."""
    used = sum(worker.memory_bytes for worker in (await services.queue.overview()).workers)
    return MemoryReply(ram={}, cuda={"system": {"used": used}})


@router.post("/refresh-checkpoints")
@router.post("/refresh-vae")
@router.post("/refresh-loras")
@router.post("/refresh-embeddings")
async def refresh(request: Request, services: ServicesDep, tenant: Submitter) -> dict[str, Any]:
    """Reads the models folder at once, as POST /v1/models/refresh does."""
    await refresh_catalog(request, services)
    return {}


@router.post("/unload-checkpoint")
@router.post("/reload-checkpoint")
async def do_nothing(tenant: Reader) -> dict[str, Any]:
    """Workers load and unload models by themselves."""
    return {}
