"""A very small encoder of the same kind as the real one, so that many steps take seconds."""

from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from transformers import AutoTokenizer, BertConfig, BertModel

BERT: tuple[Any, Any] = BertConfig, BertModel  # their arguments are not typed


@pytest.fixture(scope="session")
def small_encoder(encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers of width 32 with random weights and the real tokenizer."""
    folder = tmp_path_factory.mktemp("small-encoder")
    tokenizer = AutoTokenizer.from_pretrained(encoder_folder)
    torch.manual_seed(7)
    make_config, make_model = BERT
    config = make_config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    make_model(config, add_pooling_layer=False).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"), max_seq_length=64)
    model = SentenceTransformer(modules=[transformer, Pooling(32, "mean"), Normalize()], device="cpu")
    model.save(str(folder / "encoder"), create_model_card=False)
    return folder / "encoder"
