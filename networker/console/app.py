# SPDX-License-Identifier: Apache-2.0
"""The pages of the console."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pathlib
from collections.abc import AsyncIterator, Collection, Sequence
from http import HTTPStatus
from typing import Any, Protocol

import msgspec
from anyio import to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from networker import exceptions
from networker.console.guard import Guard, permitted
from networker.console.watch import EVERY, State, Watch
from networker.drawing import Survey, svg, text
from networker.drawing.svg import STYLE
from networker.models import VIP, Amphora, LoadBalancer

LOG = logging.getLogger(__name__)

_FILES = pathlib.Path(__file__).parent / "static"
#: Amphorae that one drawing can have.
_MOST = 100


class Sources(Protocol):
    """Where the console learns what it shows; each method may take a while."""

    def pool(self) -> State:
        """Return what :class:`networker.reports.PoolState` tells, for JSON."""

    def letters(self) -> Sequence[dict[str, Any]]:
        """Return the dead letters with their contents, without secrets."""

    def replay(self, letter_id: str) -> int:
        """Send a dead letter to the workers again, and return how many were sent.

        :raises NetworkException: there is none with that id, or it is no request
        """

    def survey(self, load_balancer: LoadBalancer) -> Survey:
        """Look at a load balancer."""


class Console:
    """What answers.

    :param sources: where it learns what it shows
    :param token: what replaying needs
    :param every: seconds between two questions to the pool
    """

    def __init__(self, sources: Sources, token: str, every: float = EVERY) -> None:
        self._sources = sources
        self._token = token
        self._every = every
        self._watch: Watch | None = None

    def app(self, hosts: Collection[str] = ()) -> Starlette:
        """Return it as an ASGI application.

        :param hosts: names under which it is asked for, besides `localhost` and addresses
        """
        return Starlette(
            routes=[
                Route("/", self._page),
                Route("/drawing.css", self._style),
                Route("/events", self._events),
                Route("/letters", self._letters),
                Route("/letters/{letter_id}/replay", self._replay, methods=["POST"]),
                Route("/drawing", self._drawing),
                Mount("/static", StaticFiles(directory=_FILES)),
            ],
            middleware=[Middleware(Guard, hosts=hosts)],
            exception_handlers={exceptions.NetworkException: _failed},
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._watch = Watch(self._sources.pool, self._every)
        task = asyncio.create_task(self._watch.run())
        task.add_done_callback(_complain)
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _page(self, _request: Request) -> Response:
        return FileResponse(_FILES / "index.html")

    async def _style(self, _request: Request) -> Response:
        return Response(STYLE, media_type="text/css")

    async def _events(self, _request: Request) -> Response:
        return StreamingResponse(self._stream(), media_type="text/event-stream")

    async def _stream(self) -> AsyncIterator[bytes]:
        if self._watch is None:
            return
        async for message in self._watch.messages():
            yield b"event: state\ndata: " + msgspec.json.encode(message) + b"\n\n"

    async def _letters(self, _request: Request) -> Response:
        return _json({"letters": await to_thread.run_sync(self._sources.letters)})

    async def _replay(self, request: Request) -> Response:
        if not permitted(request.headers.get("authorization", ""), self._token):
            text = "replaying needs the token that was printed when the console began"
            return _json({"error": text}, HTTPStatus.UNAUTHORIZED)
        letter_id = request.path_params["letter_id"]
        count = await to_thread.run_sync(self._sources.replay, letter_id)
        return _json({"replayed": count})

    async def _drawing(self, request: Request) -> Response:
        asked = request.query_params
        amphorae = [
            Amphora(id=amphora_id or None, compute_id=compute_id or None)
            for amphora_id, _, compute_id in (
                each.partition("=") for each in asked.getlist("amphora")[:_MOST]
            )
        ]
        port = asked.get("vip_port")
        vip = VIP(port_id=port) if port else None
        balancer = LoadBalancer(
            id=asked.get("load_balancer"), vip=vip, amphorae=amphorae
        )
        found = await to_thread.run_sync(self._sources.survey, balancer)
        return _json(
            {
                "svg": svg(found, styled=False),
                "text": text(found),
                "troubles": found.troubles,
            }
        )


def _complain(task: asyncio.Task[None]) -> None:
    """Log why the pool is not asked any more."""
    error = None if task.cancelled() else task.exception()
    if error:
        LOG.critical("the pool is not asked any more: %s", error, exc_info=error)


async def _failed(_request: Request, error: Exception) -> Response:
    """Say in one line what went wrong."""
    status = HTTPStatus.BAD_GATEWAY
    if isinstance(error, exceptions.BusUnavailable):
        status = HTTPStatus.SERVICE_UNAVAILABLE
    elif isinstance(error, exceptions.InvalidRequest):
        status = HTTPStatus.BAD_REQUEST
    return _json({"error": f"{type(error).__name__}: {error}"}, status)


def _json(content: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(
        msgspec.json.encode(content, enc_hook=str),
        status,
        media_type="application/json",
    )
