from hypothesis import given
from hypothesis import strategies as st

from generator.decoding import IncrementalDecoder, is_looping


def decode_bytes(ids: object) -> str:
    return bytes(ids).decode(errors="replace")  # type: ignore[call-overload,no-any-return]


@given(st.text(max_size=40).filter(lambda text: "\ufffd" not in text))
def test_bytes_come_out_as_the_text_they_make(text: str) -> None:
    decoder = IncrementalDecoder(decode_bytes)
    pieces = [decoder.push(byte) for byte in text.encode()]
    assert "".join(pieces) == text
    assert all("\ufffd" not in piece for piece in pieces)


def test_a_leading_space_that_a_decoder_drops_is_kept() -> None:
    words = ["▁It", "▁works", "▁well"]

    def decode(ids: object) -> str:
        return "".join(words[index] for index in ids).replace("▁", " ").removeprefix(" ")  # type: ignore[attr-defined]

    decoder = IncrementalDecoder(decode)
    assert [decoder.push(index) for index in range(3)] == ["It", " works", " well"]


def test_loops_are_seen() -> None:
    sentence = list(range(14))
    assert is_looping([99, *sentence, *sentence])
    assert is_looping([1] * 36)
    assert is_looping([1, 2, 3] * 12)


def test_what_only_looks_alike_is_no_loop() -> None:
    sentence = list(range(14))
    assert not is_looping([*sentence, 99, *sentence])
    assert not is_looping([1] * 20)
    assert not is_looping([])
