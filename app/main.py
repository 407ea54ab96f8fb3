"""The HTTP process: composition root of the API."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.acts import allowed_actions
from app.api import (
    actions,
    attachments,
    auth,
    bulk,
    changes,
    component_corrections,
    deliveries,
    dispatch,
    disputes,
    events,
    hands,
    holds,
    inspections,
    intake,
    masters,
    problems,
    release_check,
    releases,
    reports,
    simulation,
    suggestions,
    supervision,
    users,
    work_orders,
)
from app.api.guards import BodyLimit, RequestMetrics
from app.core.logging import configure_logging
from app.core.metrics import exposition
from app.core.retries import describe
from app.core.settings import Settings, get_settings
from app.runtime import Runtime, is_not_answering, open_runtime

_ROUTERS = (
    auth, intake, events, work_orders, reports, inspections, actions, bulk, attachments, changes, supervision,
    hands, deliveries, dispatch, disputes, holds, suggestions, component_corrections, releases, simulation,
    release_check, masters, users,
)  # fmt: skip

log = structlog.get_logger()


def create_app(
    settings: Settings | None = None, runtime: Runtime | None = None, *, database: str = "bihuan"
) -> FastAPI:
    """The app over ``runtime``, or over one opened from the settings when the server starts."""
    settings = settings or (runtime.settings if runtime else get_settings())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if runtime is not None:
            app.state.runtime = runtime
            yield
            return
        configure_logging(settings)
        async with open_runtime(settings, database=database) as opened:
            app.state.runtime = opened
            try:
                await _warm(opened)
            except (OSError, DBAPIError) as fault:
                if not is_not_answering(fault):
                    raise
                # It may be back in a moment: until then /readyz says no, and afterwards the first request builds them.
                log.warning("serve.not_warmed", reason=describe(fault))
            learning = asyncio.create_task(opened.history.keep_learning(opened.read_sessions, opened.masters))
            try:
                yield
            finally:
                learning.cancel()
                await asyncio.gather(learning, return_exceptions=True)

    app = FastAPI(
        title="Bihuan 闭环",
        version="0.1.0",
        description="一网统管的闭环：发现、分析、处理、反馈。",
        lifespan=lifespan,
        redoc_url=None,
    )
    if runtime is not None:
        app.state.runtime = runtime
    app.state.allowed_actions = allowed_actions
    problems.install(app)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(RequestMetrics)
    for module in _ROUTERS:
        app.include_router(module.router, prefix="/api/v1")
    _add_probes(app)
    return app


async def _warm(runtime: Runtime) -> None:
    """Builds the masters before the first request: fitting a classifier takes seconds."""
    async with runtime.sessions() as session:
        ids = (await session.execute(text("SELECT id FROM jurisdiction WHERE release_vector <> '{}'"))).scalars().all()
        for jurisdiction_id in ids:
            await runtime.masters.get(session, jurisdiction_id)
    # What is in memory now stays; the collector need not walk through it again in the middle of a request.
    gc.collect()
    gc.freeze()


def _add_probes(app: FastAPI) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> PlainTextResponse:
        """The process answers."""
        return PlainTextResponse("ok")

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> PlainTextResponse:
        """The process can work: its database answers and has our schema."""
        async with app.state.runtime.sessions() as session:
            await session.execute(text("SELECT 1 FROM jurisdiction LIMIT 1"))
        return PlainTextResponse("ready")

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        """Prometheus metrics of all processes that serve with this one."""
        return Response(exposition(), media_type=CONTENT_TYPE_LATEST)
