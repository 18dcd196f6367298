"""What routes ask for."""

from typing import Annotated

from fastapi import Depends, Request

from app.job_views import Jobs
from app.wiring import Services


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _jobs(request: Request) -> Jobs:
    jobs: Jobs = request.app.state.jobs
    return jobs


UsesServices = Annotated[Services, Depends(_services)]
UsesJobs = Annotated[Jobs, Depends(_jobs)]
