"""``footnote tune search`` on a small home, with the real encoder."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.catalogue import ModelUnavailable
from app.learning.search import learn_search
from app.model_folders import open_model, record_search, searched_questions
from app.models import Models
from app.releases import create_release, promote
from app.settings import Settings
from app.wiring import Services, build_services
from finetune.examples import ExamplesInvalid
from finetune.fusion_weights import describe_weights
from finetune.overlap import digest_questions
from finetune.suites import Question
from tests.app.devices import ADDRESS, open_device_home, tuned_encoder

ASKED = [
    Question(
        id=f"{form} {number}", question=form.format(number), gold_documents=(f"{ADDRESS}device-{number}.md",)
    )
    for form in (
        "How heavy is device {}?",
        "Weight of device {}",
        "Who paints device {}?",
        "device {} paint",
        "What does device {} weigh in grams?",
    )
    for number in range(12)
]


def _never(_what: str, _done: int, _total: int) -> None:
    raise AssertionError("nothing is to be asked")


def _ignore(_what: str, _done: int, _total: int) -> None:
    return


def _promote(services: Services, settings: Settings) -> None:
    release = create_release(services, settings, note="", progress=_ignore)
    promote(services, release.id, reason="test", forced=True, progress=_ignore)


@pytest.fixture
def services(own_models: Settings, tmp_path: Path) -> Iterator[Services]:
    """A home of devices, with models of its own."""
    with open_device_home(own_models, tmp_path / "docs") as services:
        yield services


def test_weights_are_kept_with_the_encoder_and_with_what_they_were_chosen_on(services: Services) -> None:
    reference = tuned_encoder(services, "trn_a")
    settings = services.settings.model_copy(update={"encoder": reference})
    _promote(services, settings)
    with closing(build_services(settings)) as tuned:
        released = tuned.search_config
        learned = learn_search(tuned, ASKED, save=True, progress=_ignore)
        assert sum(learned.after) >= sum(learned.before), "it was chosen by this sum"
        assert tuned.search_config == released, "a live release keeps its own"
    assert open_model(settings.models_folder, reference).search == describe_weights(learned.config)
    assert Models(settings).search_config == learned.config
    chosen_on = set(digest_questions(one.question for one in ASKED))
    assert searched_questions(settings.models_folder, reference) == chosen_on
    others = set(digest_questions(["Which device is blue?"]))
    record_search(settings.models_folder, reference, {}, questions=sorted(others))
    kept = searched_questions(settings.models_folder, reference)
    assert kept == chosen_on | others, "a release that was created before has the former weights"


def test_weights_that_would_be_kept_with_the_wrong_encoder_are_refused_before_anything_is_asked(
    services: Services,
) -> None:
    with pytest.raises(ModelUnavailable, match="was not tuned here"):
        learn_search(services, ASKED, save=True, progress=_never)
    _promote(services, services.settings)
    live = services.settings.encoder
    settings = services.settings.model_copy(update={"encoder": tuned_encoder(services, "trn_a")})
    with (
        closing(build_services(settings)) as other,
        pytest.raises(
            ModelUnavailable,
            match=f"release searches .* {live!r}, .*ENCODER={live}",
        ),
    ):
        learn_search(other, ASKED, save=True, progress=_never)


def test_fewer_questions_than_can_tell_weights_apart_are_refused(services: Services) -> None:
    gone = Question(id="x", question="Which?", gold_documents=("https://elsewhere.example/x",))
    with pytest.raises(ExamplesInvalid, match=r"^12 questions name documents .*, 50 is the least; 1 do"):
        learn_search(services, [*ASKED[:12], gone], save=False, progress=_never)
