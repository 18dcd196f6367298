"""``footnote tune search``: how much each signal is worth, from questions with known documents."""

from collections.abc import Sequence

from app.catalogue import ModelUnavailable
from app.db.document_views import document_uris
from app.db.products import product_names
from app.downloads import Progress
from app.model_folders import record_search, tuned_manifest
from app.wiring import Services
from finetune.examples import ExamplesInvalid
from finetune.fusion_weights import LEAST_QUESTIONS, Judged, Learned, describe_weights, learn_weights
from finetune.overlap import digest_questions
from finetune.suites import Question
from retriever.candidates import find_candidates
from retriever.products import ProductDetector

SEED = 20260901  # of the halvings; any fixed number


def learn_search(
    services: Services, questions: Sequence[Question], *, save: bool, progress: Progress
) -> Learned:
    """Learn the weights of the live index's signals from questions that people asked.

    Args:
        services: With the configured encoder and the live index.
        questions: With the documents that answer them; those of documents that are not here are left out.
        save: Whether the weights are kept with the configured encoder; only for one tuned here, which must be
            the one that answers.
        progress: Told how far it is.

    Raises:
        ExamplesInvalid: If fewer questions are left than can tell weights apart.
        ModelUnavailable: If the weights are to be saved, and the encoder was not tuned here or another one
            is live.
    """
    if save:
        _check_encoder(services)
    live, config = services.live_index(), services.search_config
    with services.database.reading() as session:
        ids = {uri: document_id for document_id, uri in document_uris(session).items()}
        detector = ProductDetector(live.index.products, product_names(session))
    answered = [one for one in questions if any(uri in ids for uri in one.gold_uris)]
    if len(answered) < LEAST_QUESTIONS:
        raise ExamplesInvalid(
            f"{len(answered)} questions name documents that are here, {LEAST_QUESTIONS} is the least; "
            f"{len(questions) - len(answered)} do not"
        )
    allowed = live.index.allowed_rows(hidden_documents=live.hidden_documents)
    usable = live.index.questions.allowed_rows(passages=allowed, hidden_pairs=live.hidden_pairs)
    judged = []
    for place, question in enumerate(answered):
        progress("Asking", place, len(answered))
        candidates = find_candidates(
            live.index,
            services.encoder.encode_queries([question.question]),
            question.question,
            sources=("dense", "bm25", "qa"),
            depth=config.depth,
            qa_depth=config.qa_depth,
            qa_minimum_cosine=config.qa_minimum_cosine,
            questions=0,
            allowed=allowed,
            allowed_questions=usable,
            detector=detector if config.product_weight else None,
        )
        judged.append(
            Judged(
                signals=candidates.signals,
                documents=[live.index.document_ids[row] for row in candidates.rows.tolist()],
                gold=frozenset(ids[uri] for uri in question.gold_uris if uri in ids),
            )
        )
    progress("Asking", len(answered), len(answered))
    learned = learn_weights(judged, config, seed=SEED)
    if save:
        record_search(
            services.settings.models_folder,
            services.settings.encoder,
            describe_weights(learned.config),
            questions=digest_questions(one.question for one in answered),
        )
    return learned


def _check_encoder(services: Services) -> None:
    """Refuse, before anything is asked, weights that would be kept with an encoder that they are not of."""
    configured, live = services.settings.encoder, services.serving.lineup().settings.encoder
    tuned_manifest(services.settings.models_folder, configured)
    if live != configured:
        raise ModelUnavailable(
            f"the live release searches with the encoder {live!r}, and weights are kept with the configured "
            f"one, {configured!r}; set FOOTNOTE_ENCODER={live}"
        )
