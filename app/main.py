"""The server: one process with HTTP, the job engine, both models and the live index."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from app.api import (
    answers,
    deletions,
    documents,
    evaluations,
    feedback,
    health,
    jobs,
    keys,
    metrics,
    pairs,
    products,
    reader,
    releases,
    search,
    sources,
    tuning,
)
from app.api.access import describe_access
from app.api.access_control import AccessControl
from app.api.headers import SecurityHeaders
from app.api.limits import BodyLimit, RequestLog
from app.api.problems import add_problem_handlers, describe_problems
from app.job_engine import JobEngine
from app.jobs import JobQueue
from app.models import Models
from app.observability import logger
from app.scheduling import Scheduler, check_index_schedule
from app.settings import Settings
from app.wiring import Services, build_services

WARM_UP_SECONDS = 5.0  # between two attempts to load models that are missing

DESCRIPTION = (
    "Answers questions from an organisation's own documents. Every sentence of an answer carries a "
    "citation whose `start` and `end` are offsets into `GET /v1/documents/{id}/text`, counted in Unicode "
    "code points. Errors are `application/problem+json`."
)

ROUTES = (
    documents,
    deletions,
    search,
    answers,
    feedback,
    pairs,
    products,
    evaluations,
    releases,
    tuning,
    jobs,
    sources,
    keys,
    health,
    metrics,
    reader,
)


def create_app(settings: Settings, models: Models | None = None) -> FastAPI:
    """The application, not started yet: its lifespan opens the database and starts the job engine.

    Args:
        settings: The settings of this process.
        models: Models of these settings that are loaded already, if there are any.
    """
    check_index_schedule(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = await run_in_threadpool(build_services, settings, models)
        services.search_log.start()
        services.serving.watch()
        engine = JobEngine(services)
        if settings.serve_jobs:
            await run_in_threadpool(engine.start)
        queue = JobQueue(services)
        app.state.services, app.state.jobs = services, queue
        scheduler = Scheduler(services, queue)
        scheduler.start()
        state = metrics.StateCollector(services, queue)
        services.metrics.registry.register(state)
        ended = threading.Event()
        warming = threading.Thread(target=_warm_up, args=(services, ended), name="warm-up")
        warming.start()
        yield
        ended.set()
        await run_in_threadpool(warming.join)  # a thread that loads a model must not outlive the process
        state.close()
        await run_in_threadpool(scheduler.stop)
        await run_in_threadpool(queue.close)
        if settings.serve_jobs:
            await run_in_threadpool(engine.stop)
        await run_in_threadpool(services.close)

    app = FastAPI(
        title="Footnote",
        version=version("footnote"),
        description=DESCRIPTION,
        lifespan=lifespan,
        # FastAPI's own spans have whole addresses and its logs the messages of exceptions: both may quote.
        telemetry={"tracing": False, "operation_spans": False, "metrics": False, "logs": False},
    )
    _add_layers(app, settings)
    for routes in ROUTES:
        app.include_router(routes.router)
    return app


def _add_layers(app: FastAPI, settings: Settings) -> None:
    """What stands before the routes, the last one first, and what is described of all of them."""
    add_problem_handlers(app)
    describe_problems(app)
    describe_access(app)
    app.add_middleware(BodyLimit, upload_bytes=settings.max_upload_bytes)
    app.add_middleware(AccessControl, settings=settings)
    app.add_middleware(RequestLog)
    app.add_middleware(SecurityHeaders)


def _warm_up(services: Services, ended: threading.Event) -> None:
    """Load what the first question needs, again until it is there; ``/readyz`` tells what is missing."""
    told = ""
    while not ended.is_set():
        try:
            services.warm_up()
        except Exception as error:  # noqa: BLE001 - a server without models still takes uploads and explains itself
            if str(error) != told:
                told = str(error)
                logger().error("warm_up_failed", reason=told)
            ended.wait(WARM_UP_SECONDS)
        else:
            logger().info("warm")
            return
