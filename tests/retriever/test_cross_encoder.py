"""The direct route of a cross-encoder against the library's own."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder as LibraryCrossEncoder
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from retriever.cross_encoder import MAX_TOKENS, load_cross_encoder, open_classifier
from retriever.errors import RerankerUnusable
from retriever.sentence_transformer_encoder import quiet_loading

QUESTION = "How long is the hose of the pump?"
TEXTS = [
    "The hose is 20 metres long.",
    "Descale the kettle " * 300,
    "x",
    "",
    "Oil the pump every 90 days. " * 12,
]


@pytest.fixture(scope="module")
def folder(encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real encoder's transformer with a random head, as training begins."""
    folder = tmp_path_factory.mktemp("cross-encoder") / "model"
    torch.manual_seed(3)
    with quiet_loading():
        model = AutoModelForSequenceClassification.from_pretrained(encoder_folder, num_labels=1)
        with torch.no_grad():
            model.classifier.weight.mul_(100)  # so that scores differ as those of a trained one do
        model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(encoder_folder).save_pretrained(folder)
    return folder


def test_scores_are_those_of_the_library(folder: Path) -> None:
    library = LibraryCrossEncoder(
        str(folder), device="cpu", max_length=MAX_TOKENS, model_kwargs={"dtype": torch.float32}
    )
    theirs = library.predict(
        [(QUESTION, text) for text in TEXTS], activation_fn=torch.nn.Identity(), show_progress_bar=False
    )
    model, tokenizer = open_classifier(folder, torch.float32)
    with torch.no_grad():
        pairs = [tokenizer.encode(QUESTION, text) for text in TEXTS]
        exact = model(**tokenizer.pad(pairs)).logits[:, 0].numpy()
    np.testing.assert_allclose(exact, theirs, atol=1e-4)
    served = load_cross_encoder(folder, weights_sha256="w").score(QUESTION, TEXTS)
    np.testing.assert_allclose(served, theirs, atol=0.2)  # bfloat16 where the CPU has it
    assert np.ptp(theirs) > 1


def test_only_the_passage_is_cut_and_a_very_long_question_does_no_harm(folder: Path) -> None:
    _model, tokenizer = open_classifier(folder, torch.float32)
    whole = tokenizer.encode(QUESTION, "").ids[:-1]
    cut = tokenizer.encode(QUESTION, "word " * 1000)
    assert len(cut.ids) == MAX_TOKENS
    assert cut.ids[: len(whole)] == whole
    long = load_cross_encoder(folder, weights_sha256="w").score("why " * 5000, ["word " * 1000, "short"])
    assert np.isfinite(long).all()


def test_the_fingerprint_follows_the_weights(folder: Path) -> None:
    prints = [load_cross_encoder(folder, weights_sha256=one).fingerprint for one in ("a", "a", "b")]
    assert prints[0] == prints[1] != prints[2]
    assert load_cross_encoder(folder, weights_sha256="a").score(QUESTION, []).shape == (0,)


def test_folders_of_another_kind_are_refused(folder: Path, encoder_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RerankerUnusable, match=r"config\.json is missing; name one that footnote tune"):
        load_cross_encoder(tmp_path, weights_sha256="w")
    with pytest.raises(RerankerUnusable, match="2 outputs instead of 1"):
        load_cross_encoder(encoder_folder, weights_sha256="w")
    headless = tmp_path / "headless"
    shutil.copytree(encoder_folder, headless)
    config = json.loads((headless / "config.json").read_text()) | {"id2label": {"0": "LABEL_0"}}
    (headless / "config.json").write_text(json.dumps(config))
    with pytest.raises(RerankerUnusable, match=r"weights lack classifier\.bias, classifier\.weight"):
        load_cross_encoder(headless, weights_sha256="w")
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(RerankerUnusable, match="no usable reranker"):
        load_cross_encoder(broken, weights_sha256="w")
