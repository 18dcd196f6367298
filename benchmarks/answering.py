"""Answers: a whole answer beside bare generation of the same prompt by the same model."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from app.settings import Settings
from app.wiring import Services, build_services
from benchmarks.homes import corpus_home
from benchmarks.searching import QUESTIONS
from generator.evidence import Evidence
from generator.prompt import build_messages, fit_evidence


def measure_answers(settings: Settings, docs: Path, _documents: int, questions: int) -> dict[str, Any]:
    """Answer each question, then generate exactly the same prompt to the same length with nothing around."""
    corpus = corpus_home(settings, docs)
    services = build_services(corpus)
    services.warm_up()
    _generate(services, QUESTIONS[-1])  # a first run that is not counted
    rows = [_measure(services, question) for question in QUESTIONS[:questions]]
    services.close()
    whole, bare, first, tokens, writing = (np.array(column) for column in zip(*rows, strict=True))
    return {
        "questions": len(rows),
        "whole answer p50, s": round(float(np.median(whole)), 2),
        "bare generation p50, s": round(float(np.median(bare)), 2),
        "whole / bare, median of pairs": round(float(np.median(whole / bare)), 3),
        "time to first token p50, s": round(float(np.median(first)), 2),
        "tokens/s after the first": round(float(tokens.sum() / writing.sum()), 1),
        "tokens written, median": int(np.median(tokens)),
    }


def _measure(services: Services, question: str) -> tuple[float, float, float, int, float]:
    """Seconds of the whole answer and of bare generation, to the first token, tokens, seconds after it."""
    began = time.perf_counter()
    services.ask(question)
    whole = time.perf_counter() - began
    bare, first, tokens = _generate(services, question)
    return whole, bare, first, tokens, bare - first


def _generate(services: Services, question: str) -> tuple[float, float, int]:
    settings, generator = services.settings, services.generator
    found = services.search(question, k=settings.evidence_passages)
    evidence = [
        Evidence(
            passage_id=hit.passage_id,
            title=hit.title,
            heading_path=hit.heading_path,
            text=hit.text,
            score=hit.cosine,
        )
        for hit in found.hits
    ]
    shown = fit_evidence(evidence, generator.count_tokens, budget=settings.evidence_tokens)
    messages = build_messages(question, shown)
    began = time.perf_counter()
    first, text = 0.0, ""
    for piece in generator.stream(messages, max_new_tokens=settings.answer_tokens):
        first = first or time.perf_counter() - began
        text += piece
    return time.perf_counter() - began, first, generator.count_tokens(text)
