"""Answers: a whole answer beside bare generation of the same prompt by the same model."""

import time
from collections.abc import Callable, Sequence
from collections.abc import Generator as Pieces
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from app.answering import Answerer
from app.bundles import answer_config
from app.settings import Settings
from app.wiring import build_services
from benchmarks.homes import corpus_home
from benchmarks.searching import QUESTIONS
from generator.models import Generator, Message

NEVER = 2.0  # no cosine is as large


class _Counted:
    """A generator that counts the pieces that are taken from it.

    An answer stops reading at a refusal or when it has sentences enough; bare generation of the same prompt
    must stop at the same piece, or the comparison flatters the answer.
    """

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self.name, self.fingerprint = generator.name, generator.fingerprint
        self.messages: Sequence[Message] = ()
        self.pieces = 0

    def count_tokens(self, text: str) -> int:
        return self._generator.count_tokens(text)

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int,
        should_stop: Callable[[], bool] | None = None,
    ) -> Pieces[str, None, None]:
        self.messages, self.pieces = messages, 0
        for piece in self._generator.stream(messages, max_new_tokens=max_new_tokens, should_stop=should_stop):
            self.pieces += 1
            yield piece

    def complete(
        self,
        chats: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,
        should_stop: Callable[[], bool] | None = None,
    ) -> list[str]:
        return self._generator.complete(chats, max_new_tokens=max_new_tokens, should_stop=should_stop)


def measure_answers(settings: Settings, docs: Path, _documents: int, questions: int) -> dict[str, Any]:
    """Answer each question, then generate the same prompt to the same piece with nothing around."""
    corpus = corpus_home(settings, docs)
    services = build_services(corpus)
    services.warm_up()
    generator = _Counted(services.generator)
    config = answer_config(settings)
    answerer = Answerer(
        services.database,
        services.encoder,
        generator,
        search=services.search_config,
        passages=settings.evidence_passages,
        curated_similarity=NEVER,  # what is measured is writing
        config=config,
    )
    rows = []
    for number, question in enumerate([QUESTIONS[-1], *QUESTIONS[:questions]]):
        began = time.perf_counter()
        for _ in answerer.stream(services.live_index(), question, products=None):
            pass
        whole = time.perf_counter() - began
        if number and generator.pieces:  # the first is not counted, nor a refusal without generation
            rows.append((whole, *_bare(services.generator, generator, settings.answer_tokens)))
    services.close()
    seconds, bare, first, pieces = (np.array(column) for column in zip(*rows, strict=True))
    return {
        "questions": len(rows),
        "whole answer p50, s": round(float(np.median(seconds)), 2),
        "bare generation p50, s": round(float(np.median(bare)), 2),
        "whole / bare, median of pairs": round(float(np.median(seconds / bare)), 3),
        "time to first token p50, s": round(float(np.median(first)), 2),
        "tokens/s after the first": round(float((pieces - 1).sum() / (bare - first).sum()), 1),
        "tokens written, median": int(np.median(pieces)),
    }


def _bare(bare: Generator, counted: _Counted, max_new_tokens: int) -> tuple[float, float, int]:
    """Seconds in all and to the first piece, and pieces, of generation with nothing around."""
    messages, pieces = counted.messages, counted.pieces
    began = time.perf_counter()
    first = 0.0
    for _ in islice(bare.stream(messages, max_new_tokens=max_new_tokens), pieces):
        first = first or time.perf_counter() - began
    return time.perf_counter() - began, first, pieces
