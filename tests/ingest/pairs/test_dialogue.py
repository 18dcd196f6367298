"""Questions and answers in transcripts, read by the project's own parser."""

import pytest

from ingest.document import ParsedDocument
from ingest.pairs.dialogue import find_dialogue
from ingest.pairs.drafts import Origin, PairDraft
from ingest.parsing import parse


def _clock(seconds: float, mark: str) -> str:
    return f"00:{int(seconds) // 60:02d}:{int(seconds) % 60:02d}{mark}{round(seconds % 1 * 1000):03d}"


def _vtt(*cues: tuple[float, float, str]) -> ParsedDocument:
    lines = [f"{_clock(start, '.')} --> {_clock(end, '.')}\n{text}\n" for start, end, text in cues]
    return parse(("WEBVTT\n\n" + "\n".join(lines)).encode(), name="talk.vtt")


def _srt(*cues: tuple[float, float, str]) -> ParsedDocument:
    lines = [
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n"
        for number, (start, end, text) in enumerate(cues, start=1)
    ]
    return parse("\n".join(lines).encode(), name="talk.srt")


def _asked(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(pair.question, pair.answer) for pair in find_dialogue(document)]


def _only(document: ParsedDocument) -> PairDraft:
    (pair,) = find_dialogue(document)
    assert pair.origin is Origin.TRANSCRIPT
    assert pair.method == "dialogue"
    return pair


def test_another_speaker_answers() -> None:
    document = _vtt(
        (1, 3, "<v Ada>So, um, how do you warm up the kiln?"),
        (4, 6, "<v Ben Lee>Great question."),
        (6.5, 9, "<v Ben Lee>You heat it slowly for an hour. Then you open the vent."),
        (15, 18, "<v Ben Lee>After that it stays hot."),
        (19, 20, "<v Ada>Thanks a lot."),
    )
    pair = _only(document)
    assert pair.question == "How do you warm up the kiln?"
    assert pair.answer == ("You heat it slowly for an hour. Then you open the vent. After that it stays hot.")
    (span,) = pair.evidence
    assert span.seconds == (4.0, 18.0)
    said = document.text[span.start : span.end]
    assert said.startswith("You heat it slowly")
    assert said.endswith("After that it stays hot.")
    assert said.replace("\n\nBen Lee: ", " ") == pair.answer


def test_what_follows_answers_where_nobody_is_named() -> None:
    document = _srt(
        (0, 3, "Welcome to the course on kilns."),
        (3, 6, "Why does the glaze crack in the oven?"),
        (6, 9, "The clay shrinks more than the glaze."),
        (9, 12, "What can you do about such cracks?"),
        (12, 16, "You cool the oven slowly overnight."),
    )
    assert _asked(document) == [
        ("Why does the glaze crack in the oven?", "The clay shrinks more than the glaze."),
        ("What can you do about such cracks?", "You cool the oven slowly overnight."),
    ]
    assert find_dialogue(document)[1].evidence[0].seconds == (0.0, 16.0)


def test_speakers_in_subtitles_that_follow_each_other_closely() -> None:
    document = _srt(
        (0, 2, "ADA: Where do we store the glaze?"),
        (2, 4, "BEN: It is kept in the cellar below."),
        (4, 6, "ADA: How long does the glaze last?"),
        (6, 8, "BEN: About two years when closed."),
    )
    assert _asked(document) == [
        ("Where do we store the glaze?", "It is kept in the cellar below."),
        ("How long does the glaze last?", "About two years when closed."),
    ]


def test_chevrons_mark_another_speaker() -> None:
    document = _srt((0, 2, ">> Where do we store the glaze?"), (2, 4, ">> It is kept in the cellar below."))
    assert _asked(document) == [("Where do we store the glaze?", "It is kept in the cellar below.")]


def test_a_speaker_who_goes_on_answers_and_an_aside_does_not() -> None:
    document = _vtt(
        (0, 5, "<v Ada>Why is the oven cold? Because nobody paid the bill for the gas."),
        (6, 8, "<v Ben>I see, that is sad."),
        (9, 12, "<v Ada>How do I light the oven? I tried a match."),
        (13, 16, "<v Ben>There is a button below the door."),
    )
    assert _asked(document) == [
        ("Why is the oven cold?", "Because nobody paid the bill for the gas."),
        ("How do I light the oven?", "There is a button below the door."),
    ]


@pytest.mark.parametrize(
    "question",
    [
        "Can you hear me?",
        "How are you doing today?",
        "Are there any questions on the kiln?",
        "The kiln is hot, right?",
        "The kiln is hot, isn't it?",
        "Is it hot?",
        "What does that do then?",
        "And what about the kiln over there?",
        "You put the clay into the kiln?",
        "Could you introduce yourself to the potters?",
        "Does that make sense to potters?",
        "Should we move on to the kiln?",
    ],
)
def test_social_rhetorical_and_empty_questions_are_left_out(question: str) -> None:
    document = _vtt((0, 3, f"<v Ada>{question}"), (4, 9, "<v Ben>The kiln is in the yard behind the house."))
    assert _asked(document) == []


@pytest.mark.parametrize("answer", ["Yes.", "Which kiln do you mean by that?", "Great question."])
def test_what_answers_nothing_is_left_out(answer: str) -> None:
    document = _vtt((0, 3, "<v Ada>Where does the clay come from?"), (4, 9, f"<v Ben>{answer}"))
    assert _asked(document) == []


def test_a_question_without_anyone_after_it_and_documents_without_a_clock() -> None:
    assert _asked(_vtt((0, 3, "<v Ada>Where does the clay come from?"))) == []
    page = parse(b"# Talk\n\nWhere does the clay come from?\n\nFrom the river below.\n", name="talk.md")
    assert find_dialogue(page) == []


def test_answers_end_before_they_become_long() -> None:
    cues = [
        (10.0 * n, 10.0 * n + 5, f"<v Ben>Sentence number {n} tells of the clay {'and ' * 30}more.")
        for n in range(1, 40)
    ]
    document = _vtt((0, 3, "<v Ada>Where does the clay come from?"), *cues)
    pair = _only(document)
    assert 1000 < len(pair.answer) <= 1200
    assert pair.answer.endswith("more.")
