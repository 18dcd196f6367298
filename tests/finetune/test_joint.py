"""That joint tuning joins: what the generator makes of passages moves the retriever, and rightly so."""

import itertools
import math
from pathlib import Path

import pytest
import torch

from finetune.answer_examples import AnsweredQuestion
from finetune.configuration import AnswerExampleConfig, GeneratorConfig, RetrieverConfig
from finetune.contrastive import distillation_loss
from finetune.examples import Corpus, Example
from finetune.joint import LIKELIHOOD_TEMPERATURE, RoundEstimate, estimate_round, teach
from finetune.retriever_tuning import RetrieverTask, Teacher
from finetune.trainable_encoder import TrainableEncoder
from finetune.trainable_generator import AdapterShape, TrainableGenerator
from generator.evidence import Evidence
from tests.conftest import rounding

CPU = torch.device("cpu")
TEXTS = [
    "The valve Zarbax opens at 7 bar.",
    "The pump stops when the tank is empty.",
    "Invoices are sent on the first of the month.",
    "The valve Morlin opens at 9 bar.",
]
CORPUS = Corpus(ids=["a", "b", "c", "d"], documents=["a", "b", "c", "d"], texts=TEXTS)
PASSAGES = [
    Evidence(passage_id=one, title="", heading_path=(), text=text, score=0.0)
    for one, text in zip(CORPUS.ids, TEXTS, strict=True)
]
ASKED = [
    AnsweredQuestion(
        id="0",
        question="Which valve opens at 7 bar?",
        answer="It is called Zarbax.",
        gold=(PASSAGES[0],),
        weight=1.0,
    ),
    AnsweredQuestion(
        id="1",
        question="Which valve opens at 9 bar?",
        answer="It is called Morlin.",
        gold=(PASSAGES[3],),
        weight=1.0,
    ),
]
EXAMPLES = [
    Example(id=one.id, question=one.question, rows=(row,), relevance=1, source="pair")
    for one, row in zip(ASKED, (0, 3), strict=True)
]
CANDIDATES = [[(row, PASSAGES[row]) for row in (0, 1, 2)], [(row, PASSAGES[row]) for row in (3, 1, 2)]]


@pytest.fixture(scope="module")
def generator(small_generator_folder: Path) -> TrainableGenerator:
    return TrainableGenerator(small_generator_folder, CPU, AdapterShape(rank=4, scale=2.0, layers=3), seed=1)


def _ignore(_done: int, _total: int) -> None:
    return


def _taught(generator: TrainableGenerator) -> list[Teacher]:
    return teach(generator, ASKED, CANDIDATES, most_tokens=600, report=_ignore)


def _gradient(encoder_folder: Path, teachers: list[Teacher]) -> tuple[TrainableEncoder, torch.Tensor]:
    encoder = TrainableEncoder(encoder_folder, CPU)
    config = RetrieverConfig(
        epochs=1, batch_size=2, distillation=1.0, teacher_temperature=LIKELIHOOD_TEMPERATURE
    )
    task = RetrieverTask(encoder, CORPUS, EXAMPLES, [(), ()], config, seed=1, teachers=list(teachers))
    task.backward(0)
    parts = [one.grad.flatten() for one in task.module.parameters() if one.grad is not None]
    return encoder, torch.cat(parts)


def test_the_passage_that_answers_is_the_target_and_its_entropy_is_low(
    generator: TrainableGenerator,
) -> None:
    for teacher, right in zip(_taught(generator), (0, 3), strict=True):
        target = torch.softmax(torch.tensor(list(teacher.values())) / LIKELIHOOD_TEMPERATURE, dim=0)
        assert max(teacher, key=lambda row: teacher[row]) == right
        assert -float((target * target.log()).sum()) < 0.9 * math.log(len(teacher))


def test_permuting_passages_permutes_targets(generator: TrainableGenerator) -> None:
    turned = [list(reversed(line)) for line in CANDIDATES]
    found = teach(generator, ASKED, turned, most_tokens=1, report=_ignore)
    for there, back in zip(_taught(generator), found, strict=True):
        assert list(there) == list(reversed(back))
        for row, score in there.items():
            assert back[row] == pytest.approx(score, rel=rounding())


def test_the_encoder_moves_and_moves_otherwise_when_the_generator_changes(
    generator: TrainableGenerator, encoder_folder: Path, small_generator_folder: Path
) -> None:
    other = TrainableGenerator(small_generator_folder, CPU, AdapterShape(rank=4, scale=2.0, layers=3), seed=2)
    torch.manual_seed(3)
    with torch.no_grad():
        for name, weight in other.module.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=2.0)
    _encoder, first = _gradient(encoder_folder, _taught(generator))
    _encoder, again = _gradient(encoder_folder, _taught(generator))
    encoder, second = _gradient(encoder_folder, _taught(other))
    assert float(first.abs().max()) > 1e-4
    torch.testing.assert_close(first, again)
    assert float((first - second).norm()) > 0.01 * float(first.norm())
    before = {name: one.detach().clone() for name, one in encoder.module.named_parameters()}
    torch.optim.SGD(encoder.module.parameters(), lr=0.1).step()
    moved = [name for name, one in encoder.module.named_parameters() if not torch.equal(one, before[name])]
    assert len(moved) > len(before) / 2


def test_the_divergence_is_that_of_a_loop_by_hand() -> None:
    own, teacher = [0.3, 0.5, 0.1], [-0.5, -0.2, -1.0]
    loss = distillation_loss(
        torch.tensor([own]),
        torch.tensor([teacher]),
        present=torch.ones(1, 3, dtype=torch.bool),
        temperature=0.05,
        teacher_temperature=LIKELIHOOD_TEMPERATURE,
    )
    target = [math.exp(one / LIKELIHOOD_TEMPERATURE) for one in teacher]
    mine = [math.exp(one / 0.05) for one in own]
    divergence = sum(
        t / sum(target) * math.log((t / sum(target)) / (m / sum(mine)))
        for t, m in zip(target, mine, strict=True)
    )
    assert float(loss) == pytest.approx(divergence, rel=1e-4)


def test_an_estimate_is_what_a_few_pairs_take_times_their_number(
    generator: TrainableGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that goes on by a second each time that it is read."""
    asked = [
        AnsweredQuestion(
            id=str(place),
            question="Which valve opens?",
            answer="The valve Zarbax opens at 7 bar.",
            gold=(PASSAGES[0],),
            weight=1.0,
        )
        for place in range(30)
    ]
    ticks = itertools.count()
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))
    before = {name: one.detach().clone() for name, one in generator.module.named_parameters()}

    def estimate(candidates: int, held_out: int, epochs: int) -> RoundEstimate:
        return estimate_round(
            generator,
            asked,
            candidates=candidates,
            held_out=held_out,
            answer_tokens=2,
            making=AnswerExampleConfig(refusals=0.0, distractors=0),
            config=GeneratorConfig(epochs=epochs),
        )

    # Eight alike are tried, each part in a second; reading one example takes one, and learning it another.
    assert estimate(4, 0, 1) == RoundEstimate(scoring=30 / 8 * 4, learning=30 * (1 + 1))
    assert estimate(2, 0, 3) == RoundEstimate(scoring=30 / 8 * 2, learning=30 * (1 + 3))
    assert estimate(2, 16, 1).learning == 30 * (1 + 1) + 16 * (1 / 8) * 3
    for name, one in generator.module.named_parameters():
        assert torch.equal(one, before[name])
        assert one.grad is None or not one.grad.any()
