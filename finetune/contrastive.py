"""The loss that an encoder is tuned with. Pure functions of scores; nothing here knows a model.

B questions, P passages of the batch, C candidates of a question.
"""

import torch
from torch import Tensor


def contrastive_loss(
    scores: Tensor, positives: Tensor, *, allowed: Tensor, relevance: Tensor, temperature: float
) -> Tensor:
    """Cross-entropy of each question's own passage among the batch's, weighted by its relevance.

    ``-(1/B) sum_i r_i log(exp(s_ip / t) / sum_j exp(s_ij / t))``, j over the passages that are allowed.

    Args:
        scores: (B, P) cosines in [-1, 1].
        positives: (B,) column of each question's passage.
        allowed: (B, P) bool: false where a passage may not serve as a question's negative, for instance
            one of the same document. A question's own passage always takes part.
        relevance: (B,) in (0, 1].
        temperature: Above 0; small ones sharpen.

    Returns:
        A scalar, at least 0.

    Source: the weighted cross-entropy of arXiv 2404.14760, as reconstructed from what is public of it;
    in-batch negatives as in Karpukhin et al., EMNLP 2020.
    """
    own = torch.zeros_like(allowed).scatter_(1, positives[:, None], value=True)  # (B, P)
    logits = (scores / temperature).masked_fill(~(allowed | own), float("-inf"))
    losses = torch.nn.functional.cross_entropy(logits, positives, reduction="none")  # (B,)
    return (relevance * losses).mean()


def distillation_loss(
    scores: Tensor, teacher: Tensor, *, present: Tensor, temperature: float, teacher_temperature: float
) -> Tensor:
    """Divergence of the encoder's distribution over candidates from that of a teacher.

    ``(1/B) sum_i KL(softmax(teacher_i / teacher_temperature) || softmax(scores_i / temperature))``. The
    teacher may be a cross-encoder's scores or a generator's mean token log-likelihoods of the answer; it
    gets no gradient.

    Args:
        scores: (B, C) cosines of each question with its candidates.
        teacher: (B, C) the teacher's scores; larger is better, any scale.
        present: (B, C) bool: false where a question has fewer than C candidates; at least one is true.
        temperature: Of the encoder, above 0.
        teacher_temperature: Of the teacher, above 0.

    Returns:
        A scalar, at least 0, 0 where both agree.

    Source: Izacard et al., Atlas, 2208.03299 ("perplexity distillation"), with the mean over questions
    instead of over all elements.
    """
    nowhere = torch.finfo(scores.dtype).min
    target = (teacher.detach().to(scores.dtype) / teacher_temperature).masked_fill(~present, nowhere)
    own = (scores / temperature).masked_fill(~present, nowhere)
    divergence = torch.nn.functional.kl_div(
        torch.log_softmax(own, dim=1), torch.log_softmax(target, dim=1), reduction="none", log_target=True
    )  # (B, C)
    return divergence.masked_fill(~present, 0.0).sum(dim=1).mean()
