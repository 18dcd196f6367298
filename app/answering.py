"""From a question to a checked answer on record."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from app.db.answers import add_answer
from app.db.session import Database
from app.db.tables import new_id
from app.qa.curating import Curated, find_curated
from app.searching import Found, FoundPassage, LiveIndex, find_passages
from app.stopwatch import Stopwatch, TimedGenerator
from generator.answering import stream_answer
from generator.answers import Answer, AnswerConfig, AnswerOrigin, AnswerPart, AnswerSentence, Citation
from generator.curation import curated_answer
from generator.evidence import Evidence
from generator.models import Generator, Message
from generator.prompt import PROMPT_VERSION
from retriever.encoder import Encoder
from retriever.reranking import TimedReranker
from retriever.search import SearchConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An earlier question of a conversation, and the answer that it got."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happens while a question is answered.

    Attributes:
        name: ``search_results``, then ``sentence`` for each checked sentence, then ``final_answer``.
        data: As JSON; that of ``final_answer`` is the whole answer, which is on record by then.
    """

    name: str
    data: dict[str, Any]


class Answerer:
    """Answers questions with one retriever, one generator and one database.

    Args:
        database: Database for writing the record of answers.
        encoder: The encoder of the index.
        generator: What writes answers.
        search: How to search.
        passages: Most passages shown to the generator.
        curated_similarity: Least cosine of a question and that of a pair whose words answer it.
        config: Budgets and thresholds of answers.
        reranker: Orders the first hits anew; None to leave them.
        release: Id of the release that all of these are; None where settings say what answers.
    """

    def __init__(
        self,
        database: Database,
        encoder: Encoder,
        generator: Generator,
        *,
        search: SearchConfig,
        passages: int,
        curated_similarity: float,
        config: AnswerConfig,
        reranker: TimedReranker | None = None,
        release: str | None = None,
    ) -> None:
        self._database = database
        self._encoder = encoder
        self._generator = generator
        self._search = search
        self._passages = passages
        self._curated_similarity = curated_similarity
        self._config = config
        self._reranker = reranker
        self._release = release

    def stream(
        self,
        live: LiveIndex,
        question: str,
        *,
        products: Sequence[str] | None,
        allowed_products: Collection[str] | None = None,
        conversation: Sequence[Turn] = (),
    ) -> Iterator[Event]:
        """Answer a question, giving out each sentence once it is checked.

        The last turn of a conversation is part of what is searched for, so that "and how do I undo that?"
        finds what "that" is about. A question without a conversation that an approved pair answers already
        gets that pair's words.

        Raises:
            ProductUnknown: Before the first event.
        """
        began, watch = time.perf_counter(), Stopwatch()
        searched = f"{conversation[-1].question} {question}" if conversation else question
        found = find_passages(
            self._database,
            live,
            self._encoder,
            searched,
            k=self._passages,
            products=products,
            allowed_products=allowed_products,
            config=self._search,
            reranker=self._reranker,
        )
        curated = None
        if not conversation:
            curated = find_curated(self._database, question, found, minimum_cosine=self._curated_similarity)
        evidence = found.hits if curated is None else curated.evidence
        searched_at = time.perf_counter()
        yield Event(name="search_results", data={"hits": [asdict(hit) for hit in found.hits]})
        first_at, last = None, None
        by_passage = {hit.passage_id: hit for hit in evidence}
        parts = self._parts(question, conversation, found, curated, watch)
        for part in watch.time_items("write", parts):
            if isinstance(part, AnswerPart):
                first_at = first_at or time.perf_counter()
                yield Event(
                    name="sentence",
                    data={
                        "text": part.text,
                        "sentence": _sentence_json(part.sentence),
                        "citations": [_citation_json(c, by_passage[c.passage_id]) for c in part.citations],
                    },
                )
            else:
                last = part
        assert last is not None  # the stream always ends with the whole answer
        ended = time.perf_counter()
        timings = {
            "search": _milliseconds(began, searched_at),
            "first_sentence": _milliseconds(began, first_at or ended),
            "generation": _milliseconds(searched_at, ended),
            "total": _milliseconds(began, ended),
            **_stages(found, watch),
        }
        asked = {
            "products": list(found.products),
            "detected_products": [asdict(one) for one in found.detected_products],
            "conversation": [asdict(turn) for turn in conversation],
            "evidence": [
                {"passage_id": hit.passage_id, "rank": hit.rank, "cosine": hit.cosine} for hit in evidence
            ],
            "dropped": [asdict(sentence) for sentence in last.dropped],
        }
        asked["pair"] = None if curated is None else curated.pair.id
        response = self._response(last, found, by_passage, asked, timings)
        with self._database.writing() as session:
            add_answer(
                session,
                question=question,
                response=response,
                asked=asked,
                products=found.limited_to,
                now=datetime.now(UTC),
            )
        yield Event(name="final_answer", data=response)

    def _parts(
        self,
        question: str,
        conversation: Sequence[Turn],
        found: Found,
        curated: Curated | None,
        watch: Stopwatch,
    ) -> Iterator[AnswerPart | Answer]:
        """The sentences of an answer and then the whole: a pair's own words, or the generator's."""
        if curated is None:
            yield from stream_answer(
                question,
                [as_evidence(hit) for hit in found.hits],
                TimedGenerator(self._generator, watch),
                self._config,
                conversation=[message for turn in conversation for message in _as_messages(turn)],
                subjects=found.subjects,
            )
            return
        answer, parts = curated_answer(
            curated.pair.answer,
            [as_evidence(hit) for hit in curated.evidence],
            similarity=curated.cosine,
            config=self._config.support,
        )
        yield from parts
        yield answer

    def _response(
        self,
        answer: Answer,
        found: Found,
        by_passage: Mapping[str, FoundPassage],
        asked: dict[str, Any],
        timings: dict[str, float],
    ) -> dict[str, Any]:
        return {
            "id": new_id("ans"),
            "status": answer.status.value,
            "text": answer.text,
            "sentences": [_sentence_json(sentence) for sentence in answer.sentences],
            "citations": [_citation_json(c, by_passage[c.passage_id]) for c in answer.citations],
            "confidence": round(answer.confidence, 4),
            "origin": answer.origin.value,
            "curated": answer.origin is AnswerOrigin.CURATED,
            "pair_id": asked["pair"],
            "products": asked["products"],
            "detected_products": asked["detected_products"],
            "versions": {
                "release": self._release,
                "index": found.index_version,
                "retriever": self._encoder.fingerprint,
                "reranker": None if self._reranker is None else self._reranker.fingerprint,
                "generator": self._generator.fingerprint,
                "prompt": PROMPT_VERSION,
            },
            "timings_ms": timings,
        }


def as_evidence(hit: FoundPassage) -> Evidence:
    """A hit as the generator is shown it."""
    return Evidence(
        passage_id=hit.passage_id,
        title=hit.title,
        heading_path=hit.heading_path,
        text=hit.text,
        score=hit.cosine,
    )


def _as_messages(turn: Turn) -> list[Message]:
    return [Message("user", turn.question), Message("assistant", turn.answer)]


def _milliseconds(begin: float, end: float) -> float:
    return round((end - begin) * 1000, 1)


def _stages(found: Found, watch: Stopwatch) -> dict[str, float]:
    """Milliseconds of the stages within ``search`` and ``generation``, without what readers were slow in."""
    inner = {name: found.seconds[name] for name in ("encode", "rerank") if name in found.seconds}
    generate = watch.seconds.get("generate")
    inner["check"] = watch.seconds["write"] - (generate or 0.0)
    if generate is not None:
        inner["generate"] = generate
    return {name: _milliseconds(0.0, spent) for name, spent in inner.items()}


def _sentence_json(sentence: AnswerSentence) -> dict[str, Any]:
    return {
        "start": sentence.start,
        "end": sentence.end,
        "citations": list(sentence.citations),
        "verdict": sentence.verdict.value,
        "support": round(sentence.support, 4),
    }


def _citation_json(citation: Citation, hit: FoundPassage) -> dict[str, Any]:
    return {
        "n": citation.number,
        "document_id": hit.document_id,
        "document_version": hit.document_version,
        "uri": hit.uri,
        "title": hit.title,
        "heading_path": list(hit.heading_path),
        "page": hit.page,
        "seconds": hit.seconds,
        "start": hit.start + citation.start,
        "end": hit.start + citation.end,
        "quote": citation.quote,
    }
