import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from transformers.utils import logging as transformers_logging

from retriever.arrays import Vectors
from retriever.encoder import Encoder
from retriever.errors import EncoderUnusable
from retriever.sentence_transformer_encoder import load_encoder

TEXTS = [
    "How do I stop a trial early?",
    "",
    "word " * 400,
    "A Dataset is split into blocks, and each block is a list of rows. " * 6,
    "GPU",
    "Größe, 模型 and 🚀",
]


@pytest.fixture(scope="module")
def loaded(encoder_folder: Path) -> Encoder:
    return load_encoder(encoder_folder, weights_sha256="abc")


@pytest.fixture(scope="module")
def library(encoder_folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(encoder_folder), device="cpu", local_files_only=True)


def with_prompts(folder: Path, copy: Path, prompts: dict[str, str]) -> Path:
    shutil.copytree(folder, copy)
    settings = json.loads((copy / "config_sentence_transformers.json").read_text())
    (copy / "config_sentence_transformers.json").write_text(json.dumps({**settings, "prompts": prompts}))
    return copy


def cosines(one: Vectors, other: Vectors) -> Vectors:
    found: Vectors = (one * other).sum(axis=1)
    return found


def test_vectors_are_the_librarys(loaded: Encoder, library: SentenceTransformer) -> None:
    theirs = library.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    for ours in (loaded.encode_passages(TEXTS), loaded.encode_queries(TEXTS)):
        assert ours.dtype == np.float32
        assert ours.shape == (len(TEXTS), loaded.dimension)
        np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
        assert cosines(ours, theirs).min() > 0.995  # bfloat16 where the CPU has it; float32: 1 - 1e-6


def test_a_batch_keeps_its_order(loaded: Encoder) -> None:
    alone = np.concatenate([loaded.encode_passages([text]) for text in TEXTS])
    assert cosines(loaded.encode_passages(TEXTS), alone).min() > 0.995


def test_no_text_gives_no_row(loaded: Encoder) -> None:
    assert loaded.encode_passages([]).shape == (0, loaded.dimension)


def test_tokens_are_read_up_to_the_limit_and_not_beyond(loaded: Encoder) -> None:
    base = ["word"] * (loaded.max_tokens + 5)
    beyond_limit, last_read = list(base), list(base)
    beyond_limit[loaded.max_tokens] = last_read[loaded.max_tokens - 1] = "elephant"
    whole, beyond, inside = loaded.encode_passages(
        [" ".join(text) for text in (base, beyond_limit, last_read)]
    )
    np.testing.assert_array_equal(whole, beyond)
    assert not np.array_equal(whole, inside)


def test_offsets_point_at_every_token_of_a_text_of_any_length(
    loaded: Encoder, capfd: pytest.CaptureFixture[str]
) -> None:
    assert loaded.token_offsets("stop trials early") == [0, 5, 12]
    assert loaded.token_offsets("  preprocessing") == [2, 6, 8, 11]  # prep ##ro ##ces ##sing
    assert loaded.token_offsets("") == []
    assert loaded.token_offsets("word " * 4000) == list(range(0, 20_000, 5))
    assert capfd.readouterr() == ("", "")


def test_threads_may_encode_at_once(loaded: Encoder) -> None:
    def work(text: str) -> tuple[Vectors, list[int]]:
        return loaded.encode_queries([text]), loaded.token_offsets(text)

    texts = [f"{text} {number}" for number in range(4) for text in TEXTS if len(text) < 500]
    alone = [work(text) for text in texts]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(work, texts))
    for (vector, offsets), (expected, expected_offsets) in zip(together, alone, strict=True):
        np.testing.assert_allclose(vector, expected, atol=1e-6)
        assert offsets == expected_offsets


def test_loading_is_quiet_and_leaves_settings_alone(
    encoder_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    load_encoder(encoder_folder, weights_sha256="abc")
    assert capfd.readouterr() == ("", "")
    assert (transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()) == before


def test_prompts_go_before_questions_and_passages(
    encoder_folder: Path, tmp_path: Path, loaded: Encoder
) -> None:
    folder = with_prompts(encoder_folder, tmp_path / "copy", {"query": "query: ", "document": "passage: "})
    prompted = load_encoder(folder, weights_sha256="abc")
    [question], [passage] = prompted.encode_queries(["stop"]), prompted.encode_passages(["stop"])
    expected = loaded.encode_passages(["query: stop", "passage: stop"])
    assert cosines(np.stack([question, passage]), expected).min() > 0.995
    assert prompted.max_tokens == loaded.max_tokens - 2
    assert prompted.token_offsets("stop") == [0]


def test_the_fingerprint_names_all_that_changes_vectors(
    encoder_folder: Path, tmp_path: Path, loaded: Encoder
) -> None:
    same, other_weights = (load_encoder(encoder_folder, weights_sha256=weights) for weights in ("abc", "abd"))
    prompted = with_prompts(encoder_folder, tmp_path / "prompted", {"query": "q: "})
    other_prompt = load_encoder(prompted, weights_sha256="abc")
    shorter = with_prompts(encoder_folder, tmp_path / "shorter", {})
    limits = json.loads((shorter / "sentence_bert_config.json").read_text())
    (shorter / "sentence_bert_config.json").write_text(json.dumps({**limits, "max_seq_length": 128}))
    other_length = load_encoder(shorter, weights_sha256="abc")
    assert same.fingerprint == loaded.fingerprint
    others = {encoder.fingerprint for encoder in (other_weights, other_prompt, other_length, loaded)}
    assert len(others) == 4
    assert other_length.max_tokens == 126


@pytest.mark.parametrize("damage", ["absent", "no model", "no tokenizer", "cut weights"])
def test_a_folder_without_a_whole_encoder_is_refused(
    encoder_folder: Path, tmp_path: Path, damage: str
) -> None:
    folder = tmp_path / "copy"
    if damage != "absent":
        shutil.copytree(encoder_folder, folder)
    if damage == "no model":
        (folder / "model.safetensors").unlink()
    if damage == "no tokenizer":
        for name in ("tokenizer.json", "vocab.txt", "tokenizer_config.json"):
            (folder / name).unlink(missing_ok=True)
    if damage == "cut weights":
        (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(EncoderUnusable) as raised:
        load_encoder(folder, weights_sha256="abc")
    assert raised.value.folder == folder
