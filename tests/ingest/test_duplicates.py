import random
import subprocess
import sys
from itertools import combinations

import pytest

from ingest.duplicates import NearDuplicate, near_duplicates, signature


def exact_similarity(first: str, second: str) -> float:
    runs = [
        {tuple(words[start : start + 5]) for start in range(len(words) - 4)}
        for words in (first.split(), second.split())
    ]
    return len(runs[0] & runs[1]) / len(runs[0] | runs[1])


def random_text(seed: int, length: int = 400) -> str:
    generator = random.Random(seed)
    return " ".join(f"word{generator.randrange(500)}" for _ in range(length))


def with_changes(text: str, changes: int) -> str:
    words = text.split()
    for place in random.Random(changes).sample(range(len(words)), changes):
        words[place] = f"changed{place}"
    return " ".join(words)


def test_pairs_are_those_of_brute_force() -> None:
    texts = {f"d{seed}-{changes}": with_changes(random_text(seed), changes)
             for seed in range(12) for changes in (0, 3, 6, 60, 90)}  # fmt: skip
    exact = {
        pair: exact_similarity(texts[pair[0]], texts[pair[1]]) for pair in combinations(sorted(texts), 2)
    }
    found = near_duplicates({name: signature(text) for name, text in texts.items()}, threshold=0.65)
    assert {(pair.first, pair.second) for pair in found} == {
        pair for pair, similarity in exact.items() if similarity >= 0.65
    }
    for pair in found:
        assert pair.similarity == pytest.approx(exact[pair.first, pair.second], abs=0.12)
    assert [pair.similarity for pair in found] == sorted((p.similarity for p in found), reverse=True)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.9, 1.0])
def test_no_pair_above_the_threshold_is_missed(threshold: float) -> None:
    signatures = {f"{seed}/{changes}": signature(with_changes(random_text(seed), changes))
                  for seed in range(20) for changes in range(0, 12, 3)}  # fmt: skip
    agreeing = {
        (first, second)
        for first, second in combinations(sorted(signatures), 2)
        if sum(signatures[first][at : at + 4] == signatures[second][at : at + 4] for at in range(0, 512, 4))
        >= threshold * 128
    }
    found = near_duplicates(signatures, threshold=threshold)
    assert {(pair.first, pair.second) for pair in found} == agreeing


def test_copies_are_paired_with_the_first_of_them_only() -> None:
    same = signature(random_text(1))
    near = signature(with_changes(random_text(1), 1))
    found = near_duplicates({"c": same, "a": same, "b": same, "d": near}, threshold=0.8)
    assert found[:2] == [
        NearDuplicate(first="a", second="b", similarity=1.0),
        NearDuplicate(first="a", second="c", similarity=1.0),
    ]
    assert [(pair.first, pair.second) for pair in found[2:]] == [("a", "d")]


def test_signatures_are_equal_in_every_process() -> None:
    code = "from ingest.duplicates import signature; print(signature('one two three four five six').hex())"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert bytes.fromhex(printed.stdout) == signature("one two three four five six")
    assert len(signature("x")) == 512


def test_case_spaces_and_punctuation_do_not_count() -> None:
    assert signature("One, two -- three\nfour five.") == signature("one two three four five")


@pytest.mark.parametrize("text", ["", "   ", "one", "one two", "。", "東京"])
def test_short_texts_have_signatures_of_their_own(text: str) -> None:
    assert signature(text) == signature(text)
    assert near_duplicates({"a": signature(text), "b": signature("another text that is long")}) == []


def test_order_of_words_counts() -> None:
    text = random_text(5)
    backwards = " ".join(reversed(text.split()))
    assert near_duplicates({"a": signature(text), "b": signature(backwards)}, threshold=0.1) == []


def test_text_without_spaces_is_compared_by_its_signs() -> None:
    text = "".join(chr(0x4E00 + number) for number in range(300))
    changed = text[:150] + "国" + text[151:]
    (pair,) = near_duplicates({"a": signature(text), "b": signature(changed)})
    assert pair.similarity > 0.9


def test_a_text_of_many_shingles_is_hashed_in_parts() -> None:
    text = " ".join(f"w{number}" for number in range(50_000))
    assert near_duplicates({"a": signature(text), "b": signature(text + " end")}) != []


@pytest.mark.parametrize("threshold", [0.0, 1.1])
def test_thresholds_outside_of_the_scale_are_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        near_duplicates({}, threshold=threshold)
