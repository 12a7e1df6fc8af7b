"""What the OpenAPI document says beside the routes: names that generated clients show, tags, the server, the keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.models import HTTPBase
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase

from pipelines.params.image_refs import RESULT_SCHEMA

DIALECTS = "server.api.dialects."
TAGS: dict[str, str] = {
    "tasks": "Submit tasks of any type, follow them, list them, cancel them.",
    "pipelines": "Every task type, with a route of its own whose body has the schema of its params.",
    "models": "The models of this server.",
    "tools": "Stored workflows with a form.",
    "files": "Upload images that tasks start from, and read results by their signed links.",
    "prompts": "What helps to write prompts.",
    "usage": "What the tenant of the key has used.",
    "server": "The load of the server, and probes.",
    "a1111": "The API of AUTOMATIC1111's web UI.",
    "apispace": "The API of APISpace.",
    "chuzhan": "The API of 触站.",
    "ideogram": "The API of Ideogram.",
    "nextgpu": "The API of nextGPU.",
    "nolibox": "The API of the hosted service that Hua replaces.",
    "openai": "The image API of OpenAI.",
}


class KeyScheme(SecurityBase):
    """A way to send a key, for the OpenAPI document. It checks nothing: `get_caller` reads the header."""

    def __init__(self, scheme: str) -> None:
        self.scheme_name = f"HTTP{scheme.capitalize()}"
        self.model = HTTPBase(scheme=scheme)

    async def __call__(self) -> None:
        pass


KEY_SCHEMES = KeyScheme("bearer"), KeyScheme("basic")


def describe_keys_as_optional(document: dict[str, Any]) -> None:
    """For a server that needs no key. Its document tells how to send one, because clients are generated from it."""
    for path in document["paths"].values():
        for operation in path.values():
            if "security" in operation:
                operation["security"].append({})


def name_results(document: dict[str, Any]) -> None:
    """Makes one schema of what every image parameter has inline: generators fail at the second one of a body."""
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        _replace(schema, RESULT_SCHEMA, {"$ref": f"#/components/schemas/{RESULT_SCHEMA['title']}"})
    schemas[RESULT_SCHEMA["title"]] = RESULT_SCHEMA


def _replace(node: Any, old: Any, new: Any) -> None:
    """Replaces `old` everywhere within a document of JSON."""
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if value == old:
            node[key] = new
        elif isinstance(value, dict | list):
            _replace(value, old, new)


def change_document(app: FastAPI, *changes: Callable[[dict[str, Any]], None]) -> None:
    """Has the OpenAPI document of `app` changed when it is first asked for."""
    describe = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            for change in changes:
                change(describe())
        return describe()

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's own way to change the document


def operation_id(route: APIRoute) -> str:
    """The name of a route in generated clients: `list_tasks`, and for other APIs `openai_post_v1_images_generations`,
    whose routes of different dialects have equal names."""
    module = route.endpoint.__module__
    if not module.startswith(DIALECTS):
        return route.name
    dialect = module.removeprefix(DIALECTS).partition(".")[0]
    method = min(route.methods or {"GET"}).lower()
    return re.sub(r"\W+", "_", f"{dialect}_{method}{route.path_format}").strip("_")
