"""Losses against loops written by hand and worked figures."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from finetune.contrastive import contrastive_loss, distillation_loss


def test_loss_is_the_weighted_cross_entropy_of_a_loop_by_hand() -> None:
    generator = torch.Generator().manual_seed(3)
    scores = torch.rand(5, 7, generator=generator) * 2 - 1
    positives = torch.tensor([0, 3, 2, 6, 1])
    relevance = torch.tensor([1.0, 0.5, 0.25, 1.0, 0.1])
    allowed = torch.rand(5, 7, generator=generator) > 0.4
    temperature = 0.2

    expected = 0.0
    for i in range(5):
        own = int(positives[i])
        rivals = [j for j in range(7) if bool(allowed[i, j]) or j == own]
        total = sum(math.exp(float(scores[i, j]) / temperature) for j in rivals)
        expected -= float(relevance[i]) * math.log(math.exp(float(scores[i, own]) / temperature) / total) / 5

    found = contrastive_loss(scores, positives, allowed=allowed, relevance=relevance, temperature=temperature)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_hand_worked_figure() -> None:
    # Two questions, cosines 1 and 0, temperature 1: -log(e / (e + 1)) = 0.313262, the second counts half.
    found = contrastive_loss(
        torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
        torch.tensor([0, 1]),
        allowed=torch.ones(2, 2, dtype=torch.bool),
        relevance=torch.tensor([1.0, 0.5]),
        temperature=1.0,
    )
    assert float(found) == pytest.approx((0.313262 + 0.5 * 0.313262) / 2, abs=1e-6)


def test_what_is_not_allowed_gets_no_gradient() -> None:
    scores = torch.zeros(1, 3, requires_grad=True)
    contrastive_loss(
        scores,
        torch.tensor([0]),
        allowed=torch.tensor([[True, True, False]]),
        relevance=torch.ones(1),
        temperature=1.0,
    ).backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    assert scores.grad[0].tolist() == pytest.approx([-0.5, 0.5, 0.0])


def _distil(scores: list[float], teacher: list[float], *, present: list[bool] | None = None) -> float:
    shown = torch.tensor([present or [True] * len(scores)])
    loss = distillation_loss(
        torch.tensor([scores]),
        torch.tensor([teacher]),
        present=shown,
        temperature=0.5,
        teacher_temperature=2.0,
    )
    return float(loss)


def test_divergence_is_that_of_the_definition() -> None:
    scores, teacher = [0.3, -0.2, 0.9], [4.0, 1.0, -3.0]
    own = [math.exp(score / 0.5) for score in scores]
    target = [math.exp(score / 2.0) for score in teacher]
    own, target = [one / sum(own) for one in own], [one / sum(target) for one in target]
    expected = sum(t * math.log(t / o) for t, o in zip(target, own, strict=True))
    assert _distil(scores, teacher) == pytest.approx(expected, rel=1e-5)


def test_a_candidate_that_is_not_there_changes_nothing() -> None:
    absent = _distil([0.3, -0.2, 5.0], [4.0, 1.0, 9.0], present=[True, True, False])
    assert absent == pytest.approx(_distil([0.3, -0.2], [4.0, 1.0]), rel=1e-5)


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=6))
def test_divergence_is_nought_only_where_both_agree(teacher: list[float]) -> None:
    agreeing = [one * 0.5 / 2.0 for one in teacher]  # the same after both temperatures
    assert _distil(agreeing, teacher) == pytest.approx(0.0, abs=1e-4)
    assert _distil([0.0] * len(teacher), teacher) >= -1e-6


def test_the_teacher_gets_no_gradient() -> None:
    teacher = torch.zeros(1, 2, requires_grad=True)
    scores = torch.tensor([[1.0, 0.0]], requires_grad=True)
    distillation_loss(
        scores, teacher, present=torch.ones(1, 2, dtype=torch.bool), temperature=1, teacher_temperature=1
    ).backward()  # type: ignore[no-untyped-call]
    assert teacher.grad is None
    assert scores.grad is not None
