import json
import shutil
import threading
from contextlib import closing
from pathlib import Path

import pytest
import torch

from generator.answering import answer_question
from generator.answers import AnswerConfig
from generator.errors import ModelFolderInvalid, PromptTooLong
from generator.evidence import Evidence
from generator.models import Message
from generator.transformers_backend import TransformersGenerator, encode_messages, load_tokenizer
from generator.weights import best_cpu_dtype, load_weights

CHAT = [Message("user", "Name three colours of a rainbow in one sentence.")]


def write(generator: TransformersGenerator, messages: list[Message], max_new_tokens: int = 12) -> str:
    return "".join(generator.stream(messages, max_new_tokens=max_new_tokens))


def test_it_writes_what_the_librarys_own_greedy_search_writes(small_generator: TransformersGenerator) -> None:
    model, tokenizer = small_generator._model, small_generator._tokenizer
    ids = torch.tensor([encode_messages(tokenizer, CHAT)])
    with torch.inference_mode():
        expected = model.generate(  # type: ignore[operator]
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False
        )
    text = tokenizer.decode(expected[0, ids.shape[1] :], skip_special_tokens=True)
    assert write(small_generator, CHAT) == text != ""


def test_a_prompt_longer_than_one_slice_gives_the_same_text(
    small_generator: TransformersGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write(small_generator, CHAT, 6)
    monkeypatch.setattr("generator.transformers_backend._PREFILL_TOKENS", 16)
    assert write(small_generator, CHAT, 6) == whole


def test_it_ends_at_the_end_of_the_message(small_generator: TransformersGenerator) -> None:
    text = write(small_generator, [Message("user", "Say only: hello")], 40)
    assert "<|" not in text
    assert small_generator.count_tokens(text) < 40


def test_an_early_close_frees_the_model(small_generator: TransformersGenerator) -> None:
    threads = threading.active_count()
    with closing(small_generator.stream(CHAT, max_new_tokens=50)) as pieces:
        next(pieces)
        assert small_generator._turn.locked()
    assert not small_generator._turn.locked()
    assert threading.active_count() == threads


def test_whoever_gives_up_waiting_writes_nothing(small_generator: TransformersGenerator) -> None:
    with closing(small_generator.stream(CHAT, max_new_tokens=50)) as pieces:
        next(pieces)
        assert list(small_generator.stream(CHAT, max_new_tokens=5, should_stop=lambda: True)) == []
        assert small_generator._turn.locked()


def test_two_requests_take_turns(small_generator: TransformersGenerator) -> None:
    alone = write(small_generator, CHAT, 4)
    texts: list[str] = []
    threads = [
        threading.Thread(target=lambda: texts.append(write(small_generator, CHAT, 4))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == [alone, alone]


def test_a_prompt_that_does_not_fit_is_refused(small_generator: TransformersGenerator) -> None:
    with pytest.raises(PromptTooLong, match="show less evidence"):
        write(small_generator, [Message("user", "word " * 9000)])


def test_a_real_answer_keeps_the_promises(
    small_generator: TransformersGenerator, evidence: list[Evidence]
) -> None:
    answer = answer_question(
        "What is the default timeout of Memcached?",
        evidence,
        small_generator,
        AnswerConfig(max_new_tokens=20),
    )
    texts = {one.passage_id: one.text for one in evidence}
    for citation in answer.citations:
        assert citation.quote == texts[citation.passage_id][citation.start : citation.end]


def test_the_tokenizer_gives_back_what_it_reads(small_generator_folder: Path) -> None:
    tokenizer = load_tokenizer(small_generator_folder)
    text = "Two  spaces,\n\ttab, é, 日本 and 😀."
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderInvalid, match="missing"):
        load_weights(tmp_path, dtype=torch.float32)
    with pytest.raises(ModelFolderInvalid, match=r"tokenizer\.json is missing"):
        load_tokenizer(tmp_path)


def test_a_folder_of_an_unknown_architecture_is_refused(tmp_path: Path, small_generator_folder: Path) -> None:
    config = json.loads((small_generator_folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"architectures": ["Unheard"]}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelFolderInvalid, match="no known architecture"):
        load_weights(tmp_path, dtype=torch.float32)


def test_a_tokenizer_without_a_chat_template_is_refused(tmp_path: Path, small_generator_folder: Path) -> None:
    shutil.copy(small_generator_folder / "tokenizer.json", tmp_path)
    with pytest.raises(ModelFolderInvalid, match="no chat template"):
        load_tokenizer(tmp_path)


def test_the_number_format_suits_the_processor() -> None:
    assert best_cpu_dtype() in {torch.bfloat16, torch.float32}
