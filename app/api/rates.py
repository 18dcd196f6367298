"""How often one key, or one address without a key, may ask."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.responses import JSONResponse
from starlette.types import Scope

from app.api.problems import problem
from app.settings import Settings

ANSWERS = "POST", "/v1/answers"


class Rates:
    """Counts about the requests of the last 60 seconds, in the memory of this process.

    Two counters for each who asks, that of this minute and the share of the last one's that the window still
    covers: unlike a list of moments, they are forgotten once nobody asks.

    Several server processes count each for itself, so together they let through that many times as much.

    Args:
        settings: How many a minute.
    """

    def __init__(self, settings: Settings) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._requests = RateLimitItemPerMinute(settings.requests_per_minute, namespace="requests")
        self._answers = RateLimitItemPerMinute(settings.answers_per_minute, namespace="answers")

    def refuse(self, who: str, scope: Scope) -> JSONResponse | None:
        """Count a request; the problem document if it is one too many.

        Args:
            who: A key's id, or a client's address.
            scope: The request.
        """
        counted = [(self._requests, "requests", "FOOTNOTE_REQUESTS_PER_MINUTE")]
        if (scope["method"], scope["path"]) == ANSWERS:
            counted.append((self._answers, "answers", "FOOTNOTE_ANSWERS_PER_MINUTE"))
        for limit, what, setting in counted:
            if self._limiter.hit(limit, who):
                continue
            seconds = max(1, math.ceil(self._limiter.get_window_stats(limit, who).reset_time - time.time()))
            detail = f"over {limit.amount} {what} a minute; go on in {seconds} s, or raise {setting}"
            return problem(429, "too-many-requests", detail, retry_after=seconds)
        return None
