"""Reads the models folder at once, for all routes that clients may ask for it."""

from __future__ import annotations

import asyncio

from fastapi import Request

from models.catalog.live_catalog import Changes
from server.services import Services


async def refresh_catalog(request: Request, services: Services) -> Changes:
    """What has changed. Requests take turns: those who wait must not take the threads that others need."""
    turns: asyncio.Lock = request.app.state.refreshes
    async with turns:
        return await asyncio.to_thread(services.live_catalog.refresh)
