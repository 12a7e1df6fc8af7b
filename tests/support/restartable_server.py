"""A whole server without a device, in this process, that stops and starts again on its port; and a bad line to it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import uvicorn

from server.api.app import create_app
from server.roles import make_controller
from server.services import Services
from server.settings import Settings
from tests.support.painter import Painter
from tests.support.tools import free_port


class RestartableServer:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        self.services = Services.from_settings(self._settings)
        self.painter = Painter(self.services)
        await self.services.clock.ask()
        self._controller = asyncio.create_task(make_controller(self.services).run())
        while not await self.services.queue.complete():
            await asyncio.sleep(0.005)
        app = create_app(self.services)
        self._http = uvicorn.Server(uvicorn.Config(app, port=self._port, log_config=None, timeout_graceful_shutdown=0))
        self._serving = asyncio.create_task(self._http.serve())
        while not self._http.started:
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Cuts all connections."""
        self._http.should_exit = True
        await self._serving
        self._controller.cancel()
        with suppress(asyncio.CancelledError):
            await self._controller
        await self.services.close()


class CutLine:
    """A proxy that passes requests on and drops the first `cut` answers, and each connection with them."""

    def __init__(self, url: str, cut: int) -> None:
        self._host, self._port = url.removeprefix("http://").split(":")
        self._left = cut

    async def __aenter__(self) -> CutLine:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(self._host, self._port)
        requests = asyncio.create_task(self._copy(reader, to_server))
        while part := await from_server.read(65536):
            if self._left:
                self._left -= 1
                break
            writer.write(part)
        requests.cancel()
        writer.close()
        to_server.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while part := await reader.read(65536):
            writer.write(part)
