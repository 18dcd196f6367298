import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from retriever.encoder import Encoder
from retriever.errors import (
    DimensionMismatch,
    EncoderMismatch,
    EntriesMismatch,
    IndexDamaged,
    IndexExists,
    IndexFormatUnknown,
    VectorsNotUnit,
)
from retriever.index import Index, IndexEntry, build_index, open_index
from retriever.manifest import FORMAT, Manifest, read_manifest, render_manifest
from retriever.questions import IndexedQuestion
from retriever.search import SearchConfig, search

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ENTRIES = [
    IndexEntry(passage_id="p3", document_id="d1", product_id="tune", text="schedule a trial of a search"),
    IndexEntry(passage_id="p1", document_id="d1", product_id="tune", text="stop a trial early"),
    IndexEntry(passage_id="p2", document_id="d2", product_id=None, text="licence and authors"),
    IndexEntry(passage_id="p9", document_id="d3", product_id="serve", text="deploy a model"),
]
QUESTIONS = [
    IndexedQuestion(pair_id="q7", question="how do trials end", passage_ids=("p1", "p3", "p1")),
    IndexedQuestion(pair_id="q1", question="who wrote it", passage_ids=("p2",)),
    IndexedQuestion(pair_id="q4", question="how do experiments end", passage_ids=("p1",)),
]


def build(
    directory: Path,
    encoder: Encoder,
    entries: list[IndexEntry] = ENTRIES,
    questions: list[IndexedQuestion] = QUESTIONS,
) -> Manifest:
    return build_index(
        directory,
        entries,
        encoder.encode_passages([entry.text for entry in entries]),
        encoder_fingerprint=encoder.fingerprint,
        dimension=encoder.dimension,
        created_at=NOW,
        questions=questions,
        question_vectors=encoder.encode_queries([question.question for question in questions]),
    )


@pytest.fixture
def directory(tmp_path: Path, encoder: Encoder) -> Path:
    build(tmp_path / "version", encoder)
    return tmp_path / "version"


def opened(directory: Path) -> Index:
    return open_index(directory, encoder_fingerprint="bag-of-words")


def test_what_is_built_is_what_is_opened(tmp_path: Path, encoder: Encoder) -> None:
    manifest = build(tmp_path / "new" / "version", encoder)
    index = opened(tmp_path / "new" / "version")
    assert index.manifest == manifest
    assert (manifest.passages, manifest.documents, manifest.created_at) == (4, 3, NOW)
    assert list(index.passage_ids) == ["p3", "p1", "p2", "p9"]
    assert list(index.document_ids) == ["d1", "d1", "d2", "d3"]
    stored = index.vectors.at(np.arange(4))
    np.testing.assert_array_equal(stored, encoder.encode_passages([entry.text for entry in ENTRIES]))
    assert index.words.search("early trial", k=5).rows.tolist() == [1, 0]


def test_only_the_version_is_left_behind(directory: Path) -> None:
    assert [path.name for path in directory.parent.iterdir()] == ["version"]
    files = {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}
    assert files == {*read_manifest(directory).files, "manifest.json"}


def test_an_empty_corpus_is_a_valid_index(tmp_path: Path, encoder: Encoder) -> None:
    manifest = build(tmp_path / "version", encoder, [], [])
    index = opened(tmp_path / "version")
    assert len(index) == manifest.passages == manifest.documents == 0
    assert search(index, encoder, "anything", k=5, config=SearchConfig()) == []


def test_an_open_index_outlives_its_directory(directory: Path, encoder: Encoder) -> None:
    index = opened(directory)
    shutil.rmtree(directory)
    [best, *_] = search(index, encoder, "deploy a model", k=2, config=SearchConfig())
    assert best.passage_id == "p9"


@pytest.mark.parametrize("content", ["nothing", "a file", "an index"])
def test_an_existing_place_is_refused(tmp_path: Path, encoder: Encoder, content: str) -> None:
    place = tmp_path / "version"
    if content == "nothing":
        place.mkdir()
    elif content == "a file":
        place.write_text("mine")
    else:
        build(place, encoder)
    with pytest.raises(IndexExists) as raised:
        build(place, encoder, [], [])
    assert raised.value.directory == place
    assert [path.name for path in tmp_path.iterdir()] == ["version"]


def test_what_a_killed_build_left_is_cleared_away(tmp_path: Path, encoder: Encoder) -> None:
    leftover = tmp_path / ".version.building"
    (leftover / "words").mkdir(parents=True)
    (leftover / "words" / "stray").write_text("half")
    build(tmp_path / "version", encoder)
    assert not leftover.exists()
    assert not (tmp_path / "version" / "words" / "stray").exists()


def test_a_failed_build_leaves_nothing(tmp_path: Path, encoder: Encoder) -> None:
    vectors = encoder.encode_passages([entry.text for entry in ENTRIES])
    for wrong, error in ((vectors * 2, VectorsNotUnit), (vectors[:, :5], DimensionMismatch)):
        with pytest.raises(error):
            build_index(
                tmp_path / "version",
                ENTRIES,
                wrong,
                encoder_fingerprint="x",
                dimension=encoder.dimension,
                created_at=NOW,
            )
    assert list(tmp_path.iterdir()) == []


def test_entries_that_do_not_fit_are_refused(tmp_path: Path, encoder: Encoder) -> None:
    twice = [ENTRIES[0], replace(ENTRIES[1], passage_id="p3")]
    with pytest.raises(EntriesMismatch, match="stands twice"):
        build(tmp_path / "version", encoder, twice)
    with pytest.raises(EntriesMismatch, match="2 passages and 1 vectors"):
        build_index(
            tmp_path / "version",
            ENTRIES[:2],
            encoder.encode_passages(["one"]),
            encoder_fingerprint="x",
            dimension=encoder.dimension,
            created_at=NOW,
        )


def test_another_encoder_is_refused(directory: Path) -> None:
    with pytest.raises(EncoderMismatch, match="rebuild") as raised:
        open_index(directory, encoder_fingerprint="tuned")
    assert (raised.value.expected, raised.value.got) == ("tuned", "bag-of-words")


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", ["first byte", "middle byte", "last byte", "one byte less", "missing"])
def test_every_damage_to_every_file_is_noticed(directory: Path, tmp_path: Path, damage: str) -> None:
    names = [*read_manifest(directory).files, "manifest.json"]
    assert len(names) == 13
    for name in names:
        copy = tmp_path / "copy"
        shutil.copytree(directory, copy)
        size = (copy / name).stat().st_size
        if damage == "missing":
            (copy / name).unlink()
        elif damage == "one byte less":
            (copy / name).write_bytes((copy / name).read_bytes()[:-1])
        else:
            flip(copy / name, {"first byte": 0, "middle byte": size // 2, "last byte": size - 1}[damage])
        with pytest.raises(IndexDamaged, match="rebuild the index") as raised:
            opened(copy)
        assert raised.value.path == copy / name
        shutil.rmtree(copy)


def test_bytes_all_over_the_manifest_count(directory: Path) -> None:
    manifest = directory / "manifest.json"
    intact = manifest.read_bytes()
    for place in range(0, len(intact), 11):
        flip(manifest, place)
        with pytest.raises(IndexDamaged):
            read_manifest(directory)
        manifest.write_bytes(intact)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"manifest": 3}', '{"manifest": {"format": 2}}', "\xff"]
)
def test_what_is_not_a_manifest_is_damage(directory: Path, content: str) -> None:
    (directory / "manifest.json").write_text(content, encoding="latin-1")
    with pytest.raises(IndexDamaged):
        opened(directory)


def test_an_intact_manifest_of_another_format_says_so(directory: Path) -> None:
    newer = read_manifest(directory).model_copy(update={"format": 99})
    (directory / "manifest.json").write_bytes(render_manifest(newer))
    with pytest.raises(IndexFormatUnknown, match="99"):
        opened(directory)


def test_an_index_of_the_first_format_says_so(directory: Path) -> None:
    body = read_manifest(directory).model_dump(mode="json") | {"format": 1}
    del body["questions"]
    checksum = sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    (directory / "manifest.json").write_text(json.dumps({"manifest": body, "sha256": checksum}))
    with pytest.raises(IndexFormatUnknown, match=f"has format 1 and this version reads {FORMAT}"):
        opened(directory)


@pytest.mark.parametrize("what", ["passages", "questions"])
def test_counts_that_contradict_the_files_are_damage(directory: Path, what: str) -> None:
    wrong = read_manifest(directory).model_copy(update={what: 5})
    (directory / "manifest.json").write_bytes(render_manifest(wrong))
    with pytest.raises(IndexDamaged, match=f"number of {what}"):
        opened(directory)


def test_ids_may_be_any_text(tmp_path: Path, encoder: Encoder) -> None:
    odd = ['"', "ü/é", "\u2028", " "]
    entries = [replace(entry, passage_id=name) for entry, name in zip(ENTRIES, odd, strict=True)]
    questions = [
        IndexedQuestion(pair_id=name, question="same", passage_ids=(other,))
        for name, other in zip(odd, reversed(odd), strict=True)
    ]
    build(tmp_path / "version", encoder, entries, questions)
    index = opened(tmp_path / "version")
    assert list(index.passage_ids) == list(index.questions.pair_ids) == odd
    assert [index.questions.evidence(row) for row in range(4)] == [[3], [2], [1], [0]]


def test_the_manifest_is_readable_json(directory: Path) -> None:
    stored = json.loads((directory / "manifest.json").read_bytes())
    assert stored["manifest"]["created_at"] == "2026-01-02T03:04:05Z"
    assert stored["manifest"]["files"]["vectors.faiss"]["bytes"] > 0


class TestAllowedRows:
    def test_nothing_held_back_needs_no_mask(self, directory: Path) -> None:
        assert opened(directory).allowed_rows() is None
        assert opened(directory).allowed_rows(hidden_documents=frozenset()) is None

    @pytest.mark.parametrize(
        ("hidden", "products", "expected"),
        [
            (["d1"], None, ["p2", "p9"]),
            (["d1", "unknown"], None, ["p2", "p9"]),
            ([], ["tune"], ["p3", "p1"]),
            ([], ["tune", None], ["p3", "p1", "p2"]),
            ([], [None], ["p2"]),
            (["d1"], ["tune", "serve"], ["p9"]),
            ([], [], []),
            ([], ["unknown"], []),
        ],
    )
    def test_hidden_documents_and_other_products_are_out(
        self, directory: Path, hidden: list[str], products: list[str | None] | None, expected: list[str]
    ) -> None:
        index = opened(directory)
        allowed = index.allowed_rows(hidden_documents=hidden, products=products)
        assert allowed is not None
        assert [index.passage_ids[row] for row in np.flatnonzero(allowed).tolist()] == expected
