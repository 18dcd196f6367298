import random
from re import _constants, _parser  # type: ignore[attr-defined] # what a pattern is made of
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.privacy import PLANTED
from ingest.pairs.privacy import PersonalData, _find, put_markers, redact
from ingest.pairs.privacy_rules import RULES, PersonalKind, Rule

KEY_BODY = "\n".join(
    "".join(
        random.Random(line).choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", k=64)
    )
    for line in range(8)
)
KEY_BLOCK = f"-----BEGIN RSA PRIVATE KEY-----\n{KEY_BODY}\nkq3w==\n-----END RSA PRIVATE KEY-----"
ITEMS = [(kind, sentence, item) for kind, items in PLANTED.items() for sentence, item in items]


def test_forty_items_of_eight_kinds_are_planted() -> None:
    assert {kind: len(items) for kind, items in PLANTED.items()} == {
        kind: 5 for kind in PersonalKind if kind is not PersonalKind.NAME
    }


@pytest.mark.parametrize(("kind", "sentence", "item"), ITEMS, ids=[item for _kind, _sentence, item in ITEMS])
def test_a_planted_item_is_gone_and_the_rest_stays(kind: PersonalKind, sentence: str, item: str) -> None:
    text = sentence.format(item)
    start = text.index(item)
    redacted = redact(text)
    assert redacted.text == sentence.format(f"[{kind}]")
    assert redacted.found == (PersonalData(kind=kind, start=start, end=start + len(item)),)


def test_all_items_in_one_text_are_found_with_offsets_into_the_original() -> None:
    text = "\n".join(sentence.format(item) for _kind, sentence, item in ITEMS)
    redacted = redact(text)
    assert [(item.kind, text[item.start : item.end]) for item in redacted.found] == [
        (kind, item) for kind, _sentence, item in ITEMS
    ]
    assert redacted.text == put_markers(text, redacted.found)
    assert not any(item in repr(redacted) for _kind, _sentence, item in ITEMS)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"Key:\n{KEY_BLOCK}\nDone.", "Key:\n[credential]\nDone."),
        (f"{KEY_BLOCK.replace(chr(10), chr(92) + 'n')} in JSON", "[credential] in JSON"),
        (KEY_BLOCK.partition("\nkq3w")[0] + "\nThe rest is missing.", "[credential]\nThe rest is missing."),
        ("export GITHUB_TOKEN=ghp_" + "a1B2c3D4e5" * 4, "export GITHUB_TOKEN=[credential]"),
        ("key sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8t.", "key [credential]."),
        ("xoxb-2104-8812-KqWzPyTr4 is the bot's", "[credential] is the bot's"),
        ("'PASSWORD': 'tr1ckyOne',", "'PASSWORD': '[credential]',"),
        ("my password is Winter2024!", "my password is [credential]"),
        ("postgresql://app:q7Rt-xx1@db.kilmore.ie/app", "postgresql://[credential]@db.kilmore.ie/app"),
        ("SSN: 536 28 4719", "SSN: [identity]"),
        ("tel. 0171 5550142 88", "tel. [phone]"),
        ("+1-212-555-7346 or 212.555.7347", "[phone] or [phone]"),
        ("0044 20 7946 0123", "[phone]"),
        ("From 742 Larkspur Ave.\nDunmore", "From [address].\nDunmore"),
        ("to Postfach 12 34 56, 10115 Berlin.", "to [address]."),
        ("at 16 Mill Close, Stroud GL5 2QP now", "at [address] now"),
        ("via Calle de Alcalá 48, 28014 Madrid", "via [address]"),
        ("mia@brightoak.co.uk,leo@brightoak.co.uk", "[email],[email]"),
        ("jörg.müller@bücherhaus.de", "[email]"),
    ],
)
def test_other_forms_are_found(text: str, wanted: str) -> None:
    assert redact(text).text == wanted


@pytest.mark.parametrize(
    "text",
    [
        "send_mail('Hi', 'Text', 'user@example.com', ['a.person@mail.example.org'])",
        "Report it to security@djangoproject.com, or ask on django-users@googlegroups.com.",
        "git clone git@github.com:django/django.git",
        "logo@2x.png and @decorator.name and a @ b.T",
        "Call 555-0142 or (212) 555-0199 or +1 212 555 0123.",
        "Listen on 127.0.0.1:8000, 0.0.0.0, 10.1.2.3, 192.168.1.20, 172.16.0.1, 169.254.169.254.",
        "Say 192.0.2.44, 198.51.100.7 or 203.0.113.9, 2001:db8::1, ::1 or fe80::1.",
        "The name server is 8.8.8.8 or 1.1.1.1; the mask is 255.255.255.0.",
        "runserver 1.2.3.4:8000 or 11.22.33.44 or 123.45.67.89",
        "Upgrade to version 10.4.17.2, from v9.21.3.1; foo==12.40.3.8; OID 1.3.6.1.4.1.311.",
        "Allow 17.58.0.0/16 and 54.230.0.0/16.",
        "List[2:3:4], std::vector, a::b, 20:01:02:03, published in 2008:: yes, 00:1A:2B:3C:4D:5E",
        "password: your-password, password=xxxx, PASSWORD = 'changeme', password: <password>, password=***",
        "password=os.environ['DB_PASSWORD'], token = get_token2(request), secret: ${SECRET_1}",
        "api_key=YOUR_API_KEY1 and token: <token1> and AWS_KEY=AKIAIOSFODNN7EXAMPLE",
        "The password is required. The token is invalid after 3600 seconds; max_token: 200000.",
        "postgres://postgres:postgres@localhost/db and https://user:password@host/ and redis://:$PASS@host",
        "password=None, password = password1, secret_key: str = Field(), access_token=access_token",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "ISBN 978-0-13-235088-4, ISBN 0-306-40615-2, doi:10.1145/3292500.3330701, RFC 2606",
        "2024-05-17 12:30:45, 17.05.2024, 05/17/2024, 20240517123045, 1715947845123456",
        "range(1000000, 9999999), 4111111111111112, 1234567890123456, 0x1F4A, 3.141592653589793",
        "price 1,299.00 EUR, 12 000 000 rows, order 100-2000-30000, id 4f9c1e77-1b0e-4a53-9f0a-3b1d2c4e5f60",
        "sha256 e94cbf6c242453a89af524aaea8e08917b420c11792d6ac662d166b591059779",
        "DE89 3704 0044 0532 0130 01 fails the check of an IBAN",
        "routing number 021000022 and account number 123456789 are made up; tax id 12345",
        "000-12-3456, 666-12-3456, 900-12-3456, 536-00-1234, 123-45-6789, QQ 12 34 56 C, part AB123456Z",
        "Chapter 5 Getting Started; 3 Google Drive files; 2 Modal Close buttons; 1 Way; 10 Places",
        "5 miles down the road, 2 way street, Use 3 St, Section 4 Road map, 100 Queries",
        "Response 200 OK, port 8080, HTTP/1.1 301 Moved, 404, errno 113, 1e-5, +0200, x = y +1234567",
        "Call the function 3 times; call me back 10 times; phone: 12; contact us on port 8000",
        "See [email] and [phone] and [credential].",
    ],
)
def test_example_data_and_technical_numbers_stay(text: str) -> None:
    redacted = redact(text)
    assert redacted.found == ()
    assert redacted.text == text


PIECES = st.lists(
    st.one_of(
        st.sampled_from([item for _kind, _sentence, item in ITEMS]),
        st.sampled_from(
            [
                "password: ",
                "call me at ",
                "account number ",
                "[phone]",
                "@",
                "-",
                ".",
                ":",
                " ",
                "\n",
                "1",
                "x",
            ]
        ),
        st.text(alphabet="ab1 .-+:/@[]()0", max_size=8),
    ),
    max_size=12,
).map("".join)


@given(PIECES)
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    redacted = redact(text)
    again = redact(redacted.text)
    assert again.text == redacted.text
    assert again.found == ()
    assert put_markers(text, redacted.found) == redacted.text
    ends = [0, *(item.end for item in redacted.found)]
    for end, item in zip(ends, redacted.found, strict=False):
        assert end <= item.start < item.end <= len(text)


def test_what_a_marker_frees_is_found_too() -> None:
    text = f"Key {KEY_BLOCK}212-555-7346"  # beside a dash, the digits could be part of an id
    redacted = redact(text)
    assert redacted.text == "Key [credential][phone]"
    assert [text[item.start : item.end] for item in redacted.found] == [KEY_BLOCK, "212-555-7346"]


def _unbounded(pattern: Any) -> bool:
    """Whether a parsed pattern repeats anything without end, also in what it looks ahead or back at."""
    if isinstance(pattern, (_parser.SubPattern, list, tuple)):
        return any(_unbounded(part) for part in pattern)
    return pattern is _constants.MAXREPEAT


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
def test_no_rule_repeats_without_end(rule: Rule) -> None:
    """So a match looks at so many characters at most, and time grows in proportion to the text."""
    parsed = _parser.parse(rule.pattern.pattern, rule.pattern.flags)
    assert not _unbounded(parsed)
    assert parsed.getwidth()[1] < 30_000


def test_a_repetition_without_end_is_seen() -> None:
    assert _unbounded(_parser.parse(r"a(?=(?:b|c\d*)d)"))
    assert not _unbounded(_parser.parse(r"a(?=(?:b|c\d{0,9})d)"))


REPEATED = [
    "a", "1", " ", "-", "@", ".", ":", "0 ", "1 1", "a@", "a@b.", "a.", "12-", "+1 ", "(", "://", "://a:b",
    "eyJ", "eyJa.eyJ", "-----BEGIN PRIVATE KEY-----", "\nQWxhZGRpbjpvcGVuIHNlc2FtZQ", "password: ",
    "-----BEGIN PRIVATE KEY-----\nQWxhZGRpbjpvcGVuIHNlc2FtZQ", "password is ", "password=a1", "1 Aa ",
    "1 Street, Aa ", "Via Aa ", "2a:", "1.1.", "version ", "call me ", "AB12", "DE89 3704 ", "tel 1",
    "passport number ", "sk-", "P.O. Box ", "a at b dot ", "A", "Aa ", "1a Aa Street, Bb, ", "2001:0:",
]  # fmt: skip


@pytest.mark.parametrize("piece", REPEATED)
def test_a_longer_text_takes_no_more_passes(piece: str) -> None:
    def passes(length: int) -> int:
        text = (piece * (length // len(piece) + 1))[:length]
        with patch("ingest.pairs.privacy._find", wraps=_find) as find:
            redact(text)
        return find.call_count

    assert passes(20_000) == passes(2_000) <= 3
