"""``/v1/answers``: ask, and read what was answered."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse

from app.answering import Event, Turn
from app.api.access import UsesAccess
from app.api.dependencies import UsesServices
from app.api.fields import DetectedProductResponse, NotBlank, Question, Storable
from app.api.problems import as_problem, described
from app.db.answers import get_answer
from app.observability import logger

router = APIRouter(prefix="/v1/answers", tags=["answers"])

MAX_TURNS = 20


class ConversationTurn(BaseModel):
    """An earlier question and the answer that it got."""

    model_config = ConfigDict(extra="forbid")
    question: Question
    answer: Annotated[Storable, Field(max_length=20_000)]


class AnswerRequest(BaseModel):
    """A question, with what was said before it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"question": "How do I add an index to a model?", "stream": False}},
    )
    question: Question
    products: list[NotBlank] | None = Field(
        default=None, min_length=1, description="Use these products only."
    )
    conversation: list[ConversationTurn] = Field(
        default=[], max_length=MAX_TURNS, description="Oldest first."
    )
    stream: bool = Field(
        default=False,
        description="Answer as server-sent events: `search_results`, a `sentence` for each one that was "
        "checked, and `final_answer` with the whole answer.",
    )


class AnswerSentenceResponse(BaseModel):
    """``start`` and ``end`` are offsets into the answer's text; its markers stand behind ``end``."""

    start: int
    end: int
    citations: list[int]
    verdict: Literal["supported", "unsupported", "unchecked"]
    support: float


class CitationResponse(BaseModel):
    """A footnote: ``quote`` is exactly ``start`` to ``end`` of that version of the document's text."""

    n: int
    document_id: str
    document_version: int
    uri: str
    title: str
    heading_path: list[str]
    page: int | None
    seconds: tuple[float, float] | None
    start: int
    end: int
    quote: str


class Versions(BaseModel):
    """What made an answer."""

    release: str | None
    index: str
    retriever: str
    reranker: str | None = None
    generator: str
    prompt: str


class AnswerResponse(BaseModel):
    """An answer with its footnotes, or an honest refusal (``abstained``)."""

    id: str
    status: Literal["answered", "abstained"]
    text: str
    sentences: list[AnswerSentenceResponse]
    citations: list[CitationResponse]
    confidence: float
    origin: Literal["curated", "written", "quoted", "none"] = Field(
        description="an approved pair's words, written by the generator and checked, or quoted word for word"
    )
    curated: bool = Field(description="Whether a person stands for these words; `pair_id` names the pair.")
    pair_id: str | None
    products: list[str] = Field(
        description="The products that the search was limited to, or else those that were detected."
    )
    detected_products: list[DetectedProductResponse] = []
    versions: Versions
    timings_ms: dict[str, float]


@router.post(
    "",
    response_model=AnswerResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "The answer, or its events."},
        **described(422, 503),
    },
)
def ask(request: AnswerRequest, services: UsesServices, access: UsesAccess) -> Any:
    """Answer a question from the documents. A sentence that its citation does not carry is never shown."""
    turns = [Turn(question=turn.question, answer=turn.answer) for turn in request.conversation]
    products, allowed = request.products, access.products
    if not request.stream:
        return services.ask(request.question, products=products, allowed_products=allowed, conversation=turns)
    events = services.stream_answer(
        request.question, products=products, allowed_products=allowed, conversation=turns
    )
    first = next(events)  # errors that are known before the first event become a problem document
    return EventSourceResponse(_server_sent(first, events))


def _server_sent(first: Event, rest: Iterator[Event]) -> Iterator[dict[str, str]]:
    yield {"event": first.name, "data": json.dumps(first.data, ensure_ascii=False)}
    try:
        for event in rest:
            yield {"event": event.name, "data": json.dumps(event.data, ensure_ascii=False)}
    except Exception as error:  # noqa: BLE001 - the status is sent already, so the stream itself must say it
        logger().error("stream_failed", exc_info=error)
        yield {"event": "error", "data": bytes(as_problem(error).body).decode()}


@router.get("/{answer_id}", response_model=AnswerResponse, responses=described(404, 422))
def read(answer_id: str, services: UsesServices, access: UsesAccess) -> Response:
    """An answer exactly as it was given, with the versions of everything that made it."""
    with services.database.reading() as session:
        stored = get_answer(session, answer_id, allowed_products=access.products)
    return Response(json.dumps(stored, ensure_ascii=False), media_type="application/json")
