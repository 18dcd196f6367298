"""Training sees the vectors that serving makes, and parts of a batch give the gradient of the whole."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from finetune.contrastive import contrastive_loss
from finetune.trainable_encoder import TrainableEncoder
from retriever.errors import EncoderUnusable
from retriever.sentence_transformer_encoder import load_encoder

QUESTIONS = ["How do I cancel an order?", "Where is my invoice?", "Which browsers work?"]
PASSAGES = [
    "Orders can be cancelled within a day. " * 6,
    "Invoices are sent by e-mail.",
    "Firefox, Chrome and Safari work. " * 3,
    "The office is closed on Sundays.",
]


def _loss(questions: Tensor, passages: Tensor) -> Tensor:
    scores = questions @ passages.T
    return contrastive_loss(
        scores,
        torch.arange(len(QUESTIONS)),
        allowed=torch.ones_like(scores, dtype=torch.bool),
        relevance=torch.tensor([1.0, 0.5, 0.2]),
        temperature=0.1,
    )


def _gradients(folder: Path, most_tokens: int) -> tuple[float, dict[str, Tensor]]:
    encoder = TrainableEncoder(folder, torch.device("cpu"))
    questions, passages = encoder.tokenize(QUESTIONS, "query"), encoder.tokenize(PASSAGES, "passage")
    loss = encoder.backward(questions, passages, _loss, most_tokens=most_tokens)
    named = encoder.module.named_parameters()
    return loss, {name: one.grad.clone() for name, one in named if one.grad is not None}


def test_vectors_are_those_of_serving(encoder_folder: Path) -> None:
    training = TrainableEncoder(encoder_folder, torch.device("cpu"))
    serving = load_encoder(encoder_folder, weights_sha256="any")
    least = 0.995  # serving may compute in bfloat16
    for kind, encode in (("query", serving.encode_queries), ("passage", serving.encode_passages)):
        own = training.encode(training.tokenize(PASSAGES, kind))  # type: ignore[arg-type]
        assert (own * encode(PASSAGES)).sum(axis=1).min() > least


def test_cached_gradients_are_those_of_the_whole_batch(encoder_folder: Path) -> None:
    whole_loss, whole = _gradients(encoder_folder, most_tokens=100_000)
    parts_loss, parts = _gradients(encoder_folder, most_tokens=1)
    assert parts_loss == pytest.approx(whole_loss, rel=1e-5)
    assert whole.keys() == parts.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-3, atol=1e-6)
    assert max(float(gradient.abs().max()) for gradient in whole.values()) > 1e-3


def test_saved_weights_are_those_of_training(small_encoder: Path, tmp_path: Path) -> None:
    encoder = TrainableEncoder(small_encoder, torch.device("cpu"))
    with torch.no_grad():
        for parameter in encoder.module.parameters():
            parameter.mul_(1.1)
    encoder.save(tmp_path / "saved")
    tokens = encoder.tokenize(PASSAGES, "passage")
    again = TrainableEncoder(tmp_path / "saved", torch.device("cpu"))
    np.testing.assert_allclose(again.encode(tokens), encoder.encode(tokens), atol=1e-6)
    base = TrainableEncoder(small_encoder, torch.device("cpu"))
    assert np.abs(base.encode(tokens) - encoder.encode(tokens)).max() > 1e-3
    assert {one.name for one in (tmp_path / "saved").iterdir()} == {
        one.name for one in small_encoder.iterdir()
    }


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderUnusable, match=r"model\.safetensors"):
        TrainableEncoder(tmp_path, torch.device("cpu"))
