import re
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.document import BlockKind, DocumentBuilder, ParsedDocument
from ingest.passages import Passage, contextual_text, cut_passages

HEADING, PARAGRAPH, LIST, CODE = BlockKind.HEADING, BlockKind.PARAGRAPH, BlockKind.LIST, BlockKind.CODE


def word_offsets(text: str) -> list[int]:
    return [match.start() for match in re.finditer(r"\w+|[^\w\s]", text)]


def subword_offsets(text: str) -> list[int]:
    """Pieces of four letters: cutting inside of a word can change how many there are."""
    return [match.start() for match in re.finditer(r"\w{1,4}|[^\w\s]", text)]


def count_embedded(document: ParsedDocument, passage: Passage) -> int:
    embedded = contextual_text(document.title, passage.heading_path, passage.text)
    return len(re.findall(r"\w{1,4}|[^\w\s]", embedded)) + 2


def build(*blocks: tuple[BlockKind, str, int], title: str = "Guide") -> ParsedDocument:
    builder = DocumentBuilder()
    for kind, text, level in blocks:
        builder.add(kind, text, level=level)
    return builder.build(media_type="text/plain", title=title)


def cut(document: ParsedDocument, *, target: int = 40, maximum: int = 50) -> list[Passage]:
    return list(cut_passages(document, token_offsets=word_offsets, max_tokens=maximum, target_tokens=target))


def words(count: int, word: str = "word") -> str:
    return " ".join([word] * (count - 1)) + f" {word}." if count > 1 else f"{word}."


WORDS = st.sampled_from(
    ["a", "index", "reranking", "x" * 60, "東京。大阪。", "e.g.", "user_id=3;", "naïve", "🙂", "Yes!", "end."]
)
LINES = st.lists(WORDS, min_size=1, max_size=30).map(" ".join)
TEXTS = st.one_of(
    LINES,
    LINES.map(lambda line: line + ":"),
    st.lists(LINES, min_size=1, max_size=6).map("\n".join),
    st.lists(LINES, min_size=1, max_size=6).map(lambda lines: "\n".join(f"- {line}" for line in lines)),
    st.lists(LINES, min_size=1, max_size=4).map("\n\n    ".join),
    st.integers(1, 400).map(lambda count: "y" * count),
)
HEADINGS = st.tuples(
    st.just(HEADING), st.sampled_from(["Setup", "Usage", "API", "Notes on use"]), st.integers(1, 4)
)
BODIES = st.tuples(st.sampled_from([PARAGRAPH, LIST, CODE, BlockKind.TABLE]), TEXTS, st.just(0))
DOCUMENTS = st.lists(st.one_of(HEADINGS, BODIES), min_size=1, max_size=14).map(lambda blocks: build(*blocks))
SIZES = st.tuples(st.integers(50, 120), st.integers(40, 100)).map(lambda pair: (pair[0], min(pair)))


def naive_paths(document: ParsedDocument) -> list[tuple[str, ...]]:
    """The headings above each character, found anew for each block by looking backwards."""
    paths: list[tuple[str, ...]] = [()] * len(document.text)
    for place, block in enumerate(document.blocks):
        above: list[str] = []
        least = 99
        for earlier in reversed(document.blocks[: place + 1]):
            if earlier.kind is HEADING and earlier.level < least:
                above.insert(0, document.text[earlier.start : earlier.end])
                least = earlier.level
        paths[block.start : block.end] = [tuple(above)] * (block.end - block.start)
    return paths


def naive_common(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    shortest = min(len(path) for path in paths)
    return max((paths[0][:n] for n in range(shortest + 1) if len({p[:n] for p in paths}) == 1), key=len)


@settings(max_examples=150, deadline=None)
@given(document=DOCUMENTS, sizes=SIZES)
def test_passages_of_any_document_fit_and_lose_nothing(
    document: ParsedDocument, sizes: tuple[int, int]
) -> None:
    maximum, target = sizes
    passages = cut_passages(document, token_offsets=subword_offsets, max_tokens=maximum, target_tokens=target)
    covered = [0] * len(document.text)
    for ordinal, passage in enumerate(passages):
        assert passage.ordinal == ordinal
        assert passage.text == document.text[passage.start : passage.end]
        assert passage.text.strip()
        assert passage.text == passage.text.rstrip()
        assert count_embedded(document, passage) <= maximum
        covered[passage.start : passage.end] = [times + 1 for times in covered[passage.start : passage.end]]
    assert all(
        times == 1 for times, character in zip(covered, document.text, strict=True) if character.strip()
    )
    assert max(covered) == 1
    assert [p.start for p in passages] == sorted(p.start for p in passages)


BARE_HEADINGS_BEFORE_A_CUT = build(
    (HEADING, "Setup", 1),
    (HEADING, "Setup", 2),
    (HEADING, "API", 1),
    (BlockKind.PARAGRAPH, "a a a a reranking reranking reranking" + " 東京。大阪。" * 5 + ":", 0),
    (HEADING, "Setup", 1),
)


@settings(max_examples=150, deadline=None)
@given(document=DOCUMENTS, sizes=SIZES)
@example(document=BARE_HEADINGS_BEFORE_A_CUT, sizes=(50, 48))
def test_heading_paths_are_those_of_a_naive_reading(document: ParsedDocument, sizes: tuple[int, int]) -> None:
    maximum, target = sizes
    paths = naive_paths(document)
    headings = {offset for b in document.blocks if b.kind is HEADING for offset in range(b.start, b.end)}
    spaces = {offset for offset, character in enumerate(document.text) if character.isspace()}
    for passage in cut_passages(
        document, token_offsets=subword_offsets, max_tokens=maximum, target_tokens=target
    ):
        inside = set(range(passage.start, passage.end)) - spaces
        under = [paths[offset] for offset in sorted(inside - headings or inside)]
        whole = naive_common(under)
        assert passage.heading_path == whole[len(whole) - len(passage.heading_path) :]
        if len(set(under)) > 1:
            assert count_embedded(document, passage) <= target


@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1, max_size=300).filter(str.strip), maximum=st.integers(10, 60))
def test_any_text_is_cut_and_the_cutting_ends(text: str, maximum: int) -> None:
    builder = DocumentBuilder()
    builder.add(PARAGRAPH, text + " end")
    document = builder.build(media_type="text/plain", title="T")
    passages = cut_passages(
        document, token_offsets=subword_offsets, max_tokens=maximum, target_tokens=maximum
    )
    assert "".join("".join(p.text for p in passages).split()) == "".join(document.text.split())
    assert all(count_embedded(document, passage) <= maximum for passage in passages)


def test_one_small_section_is_one_passage_that_begins_with_its_heading() -> None:
    document = build((HEADING, "Install", 1), (PARAGRAPH, words(20), 0))
    (passage,) = cut(document)
    assert passage.text == document.text
    assert passage.heading_path == ("Install",)
    assert (passage.ordinal, passage.page, passage.seconds) == (0, None, None)


def test_a_heading_change_starts_a_passage() -> None:
    document = build(
        (HEADING, "Install", 1), (PARAGRAPH, words(20), 0), (HEADING, "Run", 1), (PARAGRAPH, words(20), 0)
    )
    assert [(p.heading_path, p.text.split()[0]) for p in cut(document)] == [
        (("Install",), "Install"),
        (("Run",), "Run"),
    ]


def test_small_siblings_share_a_passage_under_their_parent() -> None:
    document = build(
        (HEADING, "Options", 1),
        (PARAGRAPH, words(25), 0),
        (HEADING, "--quiet", 2),
        (PARAGRAPH, "Prints nothing.", 0),
        (HEADING, "--force", 2),
        (PARAGRAPH, "Asks nothing.", 0),
        (HEADING, "Other", 1),
        (PARAGRAPH, words(25), 0),
    )
    shared = cut(document)[1]
    assert shared.text == "--quiet\n\nPrints nothing.\n\n--force\n\nAsks nothing."
    assert shared.heading_path == ("Options",)


def test_small_sections_of_different_parents_stay_apart() -> None:
    document = build(
        (HEADING, "A", 1),
        (PARAGRAPH, words(30), 0),
        (HEADING, "B", 2),
        (PARAGRAPH, words(8), 0),
        (HEADING, "C", 1),
        (PARAGRAPH, words(8), 0),
    )
    assert [p.heading_path for p in cut(document)] == [("A",), ("A", "B"), ("C",)]


def test_a_heading_without_text_goes_with_its_first_child() -> None:
    document = build((HEADING, "A", 1), (HEADING, "B", 2), (PARAGRAPH, words(60), 0))
    first, second = cut(document)
    assert first.text.startswith("A\n\nB\n\nword")
    assert first.heading_path == second.heading_path == ("A", "B")


def test_headings_alone_give_passages_too() -> None:
    document = build((HEADING, "A", 1), (HEADING, "B", 2), (HEADING, "C", 3))
    assert [(p.text, p.heading_path) for p in cut(document)] == [("A\n\nB\n\nC", ("A",))]


def test_text_before_the_first_heading_has_no_path() -> None:
    document = build((PARAGRAPH, words(30), 0), (HEADING, "A", 1), (PARAGRAPH, words(30), 0))
    assert [p.heading_path for p in cut(document)] == [(), ("A",)]


def test_blocks_are_packed_whole_and_evenly() -> None:
    document = build(*[(PARAGRAPH, words(11), 0)] * 6)  # 12 tokens each; 36 fit beside "Guide" and 2 more
    assert [p.text.count(".") for p in cut(document)] == [3, 3]


def test_code_stays_below_the_line_that_leads_to_it() -> None:
    document = build((PARAGRAPH, words(25), 0), (PARAGRAPH, "Run this:", 0), (CODE, words(25), 0))
    assert [p.text.split()[0] for p in cut(document)] == ["word", "Run"]


def test_a_label_stays_above_what_it_names() -> None:
    document = build((PARAGRAPH, words(25), 0), (PARAGRAPH, "--database NAME", 0), (PARAGRAPH, words(25), 0))
    assert [p.text.split()[0] for p in cut(document)] == ["word", "--database"]


def test_a_long_list_is_cut_between_items() -> None:
    items = [f"- {words(9)}\n  {words(4)}" for _ in range(6)]
    passages = cut(build((LIST, "\n".join(items), 0)))
    assert [p.text for p in passages] == ["\n".join(items[start : start + 2]) for start in (0, 2, 4)]


def test_long_code_is_cut_at_empty_lines_and_keeps_its_indentation() -> None:
    parts = [f"def f():\n    {words(10)}\n    {words(10)}" for _ in range(3)]
    assert [p.text for p in cut(build((CODE, "\n\n".join(parts), 0)))] == parts
    lines = "\n".join(["while True:", *[f"    {words(14)}" for _ in range(4)]])
    assert [p.text.startswith("    ") for p in cut(build((CODE, lines, 0)))] == [False, True]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    text = " ".join([f"Dr. Smith wrote {words(9)}"] * 5)
    passages = cut(build((PARAGRAPH, text, 0)))
    assert all(p.text.startswith("Dr. Smith") and p.text.endswith("word.") for p in passages)
    assert len(passages) > 1


def test_a_table_is_cut_between_rows() -> None:
    rows = [f"{number} | {words(8)}" for number in range(10)]
    passages = cut(build((BlockKind.TABLE, "\n".join(rows), 0)))
    assert [row for p in passages for row in p.text.split("\n")] == rows


def test_a_heading_keeps_the_beginning_of_a_block_that_must_be_cut() -> None:
    document = build((HEADING, "Deep", 1), (CODE, "\n".join([words(10)] * 5), 0))
    assert cut(document)[0].text.startswith("Deep\n\nword")


def test_a_word_without_end_is_cut_by_characters() -> None:
    document = build((PARAGRAPH, "A" * 5000, 0))
    passages = cut(document)  # one token for the tokeniser, and yet no passage of 5000 characters
    assert "".join(p.text for p in passages) == document.text
    assert max(len(p.text) for p in passages) <= 50 * 16


def test_a_block_whole_within_the_maximum_is_not_cut_at_the_target() -> None:
    document = build((CODE, words(44), 0))
    assert len(cut(document, target=20, maximum=50)) == 1


def test_code_that_fits_alone_is_not_cut_for_its_lead_in() -> None:
    document = build((PARAGRAPH, "Run this:", 0), (CODE, words(45), 0))
    assert [p.text for p in cut(document)] == ["Run this:", words(45)]


def test_a_lead_in_goes_with_the_beginning_of_code_that_must_be_cut() -> None:
    document = build((PARAGRAPH, "Run this:", 0), (CODE, "\n".join([words(10)] * 6), 0))
    assert cut(document)[0].text.startswith("Run this:\n\nword")


def test_passages_know_page_and_time() -> None:
    builder = DocumentBuilder()
    for page in (3, 4, 5):
        builder.add(PARAGRAPH, words(16), page=page, seconds=(page * 10.0, page * 10.0 + 8))
    document = builder.build(media_type="text/plain", title="Talk")
    assert [(p.page, p.seconds) for p in cut(document)] == [(3, (30.0, 48.0)), (5, (50.0, 58.0))]


def test_a_long_path_loses_its_outermost_parts_so_that_half_of_the_budget_is_left() -> None:
    headings = [(HEADING, f"Part {level} of a name", level) for level in range(1, 8)]
    document = build(*headings, (PARAGRAPH, words(200), 0))
    last = cut(document, target=50, maximum=50)[-2]
    assert last.heading_path == tuple(f"Part {level} of a name" for level in (5, 6, 7))
    assert len(word_offsets(last.text)) >= 24


@pytest.mark.parametrize(("target", "maximum"), [(0, 10), (11, 10)])
def test_sizes_that_contradict_each_other_are_refused(target: int, maximum: int) -> None:
    with pytest.raises(ValueError, match="target_tokens"):
        cut(build((PARAGRAPH, "x", 0)), target=target, maximum=maximum)


def test_a_maximum_without_room_for_text_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        cut(build((PARAGRAPH, "x y", 0), title="four words of title"), target=6, maximum=6)
