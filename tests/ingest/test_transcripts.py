import pytest

from ingest.document import ParsedDocument
from ingest.errors import DamagedFile, EmptyFile
from ingest.formats.transcripts import parse_srt, parse_vtt


def spoken(document: ParsedDocument) -> list[tuple[str, tuple[float, float] | None]]:
    return [(document.text[block.start : block.end], block.seconds) for block in document.blocks]


def test_webvtt_cues_join_to_paragraphs_that_keep_their_times() -> None:
    document = parse_vtt(
        """WEBVTT - Team meeting

NOTE a comment

STYLE
::cue { color: red }

intro
00:00:01.000 --> 00:00:02.500 align:start
<v.loud Ann Lee>Hello &amp; <i>welcome</i>
to the <00:00:02.000>meeting.

00:00:02.500 --> 00:00:04.000
<v Ann Lee>We start now.

00:00:04.000 --> 00:00:05.250
<v Bob>Good.</v> <v Ann Lee>Fine.

01:00:09.000 --> 01:00:10.000
After a pause.
""",
        name="meeting.vtt",
    )
    assert document.title == "Team meeting"
    assert document.media_type == "text/vtt"
    assert spoken(document) == [
        ("Ann Lee: Hello & welcome to the meeting. We start now.", (1.0, 4.0)),
        ("Bob: Good.", (4.0, 5.25)),
        ("Ann Lee: Fine.", (4.0, 5.25)),
        ("After a pause.", (3609.0, 3610.0)),
    ]


def test_subrip_is_read_the_same_way() -> None:
    document = parse_srt(
        "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}<b>First</b>\nline\n\n"
        "2\n00:00:02,100 --> 00:00:03,000\nsecond line.\n\n",
        name="my_talk.srt",
    )
    assert document.title == "my talk"
    assert document.media_type == "application/x-subrip"
    assert spoken(document) == [("First line second line.", (1.0, 3.0))]


def test_rolling_captions_are_told_once() -> None:
    document = parse_vtt(
        """WEBVTT

00:00:00.000 --> 00:00:02.000
so today we look

00:00:02.000 --> 00:00:02.010
so today we look

00:00:02.010 --> 00:00:04.000
so today we look
at the index

00:00:04.000 --> 00:00:06.000
at the index
and at the

00:00:06.000 --> 00:00:07.000
and at the ranking
""",
        name="a.vtt",
    )
    assert document.text == "so today we look at the index and at the ranking"


def test_what_is_really_said_twice_stays() -> None:
    cues = "WEBVTT\n\n00:01.000 --> 00:02.000\nYes.\n\n00:03.000 --> 00:04.000\nYes.\n"
    assert parse_vtt(cues, name="a.vtt").text == "Yes. Yes."


def test_paragraphs_end_with_a_sentence_after_sixty_words_or_anywhere_after_a_hundred() -> None:
    def cues(text: str, count: int) -> str:
        lines = [f"00:{n:02}.000 --> 00:{n + 1:02}.000\n{text.format(n)}\n" for n in range(count)]
        return "WEBVTT\n\n" + "\n".join(lines)

    sentences = parse_vtt(cues("cue {} is ten words long as you can see.", 14), name="a.vtt")
    assert [len(text.split()) for text, _ in spoken(sentences)] == [60, 60, 20]
    endless = parse_vtt(cues("cue {} is ten words long as you can see", 14), name="a.vtt")
    assert [len(text.split()) for text, _ in spoken(endless)] == [100, 40]


@pytest.mark.parametrize("cues", ["WEBVTT\n", "WEBVTT\n\n00:01.000 --> 00:02.000\n<i></i>\n"])
def test_a_transcript_without_words_is_empty(cues: str) -> None:
    with pytest.raises(EmptyFile):
        parse_vtt(cues, name="a.vtt")


def test_captions_without_their_format_are_damaged() -> None:
    with pytest.raises(DamagedFile, match="WebVTT"):
        parse_vtt("no header\n\n00:01.000 --> 00:02.000\nx\n", name="a.vtt")
    with pytest.raises(DamagedFile, match="SubRip"):
        parse_srt("no cues at all\n", name="a.srt")
