"""What exact reinforcement learning maximises: a function of label log-probabilities, differentiable.

    r(s)         = sum_a P(a|s) u(s, a) + (1 - mass(s)) * illegal,  u(s, a) = sum_b q(b|s) u(s, a, b)
    myopic       J = mean_s r(s)
    discounted   J = (1 - gamma) * start (I - gamma T)^-1 r,  T(s, t) = p(a|s) q(b|s) the Markov chain over
                 what is remembered, p given a legal answer, start every state alike
    loss         -J + kl * mean_s sum_a P(a|s) log(p(a|s) / reference(a|s)): KL to the model before
                 training, of answers given that they are legal, weighed by the legal mass (which it does not
                 push: silence must not pay)
    regret       max_a u(s, a) - r(s), of the myopic return: what the answers of a state give away, in points

q is the other's play: a classic strategy's, a model's, or that of a second learner. Each learner takes the
gradient of its own J with the other's play held fixed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch

from homines.core.types import Array
from homines.training.settings import Settings


@dataclass(frozen=True, eq=False)
class Outcome:
    """The objective over some sets, and figures to log."""

    loss: torch.Tensor
    reward: float
    mass: float
    kl: float
    legal: torch.Tensor
    """P(action) given a legal answer, detached, shape [set, state, action]."""
    regret: float | None = None
    """Mean over sets and states; None where the loss is another than the myopic return."""
    highest: tuple[float, ...] | None = None
    """The highest regret of a state in each set, [set]; None where `regret` is."""
    text_kl: float | None = None
    """KL on everyday text (everyday_text.py), where the loss has it."""
    masses: torch.Tensor | None = None
    """Probability of any legal answer, detached, shape [set, state]; None where the loss is another."""

    @property
    def p(self) -> Array:
        """Mean over sets, shape [state, action]."""
        return self.legal.mean(0).numpy()


@dataclass(frozen=True, eq=False)
class Signals:
    """What a loss is a function of, over some sets.

    logp       label log-probabilities [set, state, action], with gradients
    utility    u(s, a, b), shape [set, state, action, other]
    replies    q(b | s), shape [set, state, other]
    follows    index of the state after (s, a, b), shape [state, action, other], for the discounted return;
               None: nothing follows, and the return of a state is its reward
    reference  logp before training; `kl`: the weight of the KL to it, in points per nat
    """

    logp: torch.Tensor
    utility: torch.Tensor
    replies: torch.Tensor
    follows: torch.Tensor | None = None
    reference: torch.Tensor | None = None
    kl: float = 0.0


def objective(settings: Settings, signals: Signals) -> Outcome:
    """The loss of the module's docstring."""
    logp = signals.logp.cpu().double()  # a few numbers, and Apple's GPUs have no float64
    replies = signals.replies
    prob = logp.exp()
    mass = prob.sum(-1)
    offered = torch.einsum("isab,isb->isa", signals.utility, replies)
    reward = (prob * offered).sum(-1) + (1 - mass) * settings.illegal  # [set, state]
    log_legal = logp.log_softmax(-1)
    legal = log_legal.exp()
    discounted = settings.objective == "discounted"
    if discounted and signals.follows is not None:
        joint = torch.einsum("isa,isb->isab", legal, replies)
        count = joint.shape[1]
        flat = signals.follows.reshape(1, count, -1).expand(len(joint), -1, -1)
        chain = torch.zeros(len(joint), count, count, dtype=logp.dtype).scatter_add(2, flat, joint.flatten(2))
        eye = torch.eye(count, dtype=chain.dtype)
        worth = torch.linalg.solve(eye - settings.gamma * chain, reward[..., None])[..., 0]
        gain = (1 - settings.gamma) * worth.mean()
    else:
        gain = reward.mean()
    loss = -gain
    regret = None if discounted else offered.max(-1).values - reward.detach()
    divergence = torch.zeros((), dtype=logp.dtype)
    if signals.reference is not None:
        before = signals.reference.cpu().double().log_softmax(-1)
        divergence = (mass.detach() * (legal * (log_legal - before)).sum(-1)).mean()
        loss = loss + signals.kl * divergence
    return Outcome(
        loss,
        float(gain.detach()),
        float(mass.detach().mean()),
        float(divergence.detach()),
        legal.detach(),
        None if regret is None else float(regret.mean()),
        None if regret is None else tuple(regret.amax(-1).tolist()),
        masses=mass.detach(),
    )


Objective: TypeAlias = Callable[[Settings, Signals], Outcome]
"""A loss that a training minimises."""
