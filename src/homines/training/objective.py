"""What exact reinforcement learning maximises: a function of label log-probabilities, differentiable.

    r(s)         = sum_a P(a|s) u(s, a) + (1 - mass(s)) * illegal,  u(s, a) = sum_b q(b|s) u(s, a, b)
    myopic       J = mean_s r(s)
    discounted   J = (1 - gamma) * start (I - gamma T)^-1 r,  T(s, t) = p(a|s) q(b|s) the Markov chain over
                 what is remembered, p given a legal answer, start every state alike
    loss         -J + kl * mean_s sum_a P(a|s) log(p(a|s) / reference(a|s)): KL to the model before
                 training, of answers given that they are legal, weighed by the legal mass (which it does not
                 push: silence must not pay)

q is the other's play: a classic strategy's, a model's, or that of a second learner. Each learner takes the
gradient of its own J with the other's play held fixed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from homines.core.types import Array, HominesError


@dataclass(frozen=True)
class Settings:
    """How to train. Rewards are in points of the preference's utility."""

    objective: str = "myopic"
    gamma: float = 0.9
    """Discount per round, for the discounted objective."""
    illegal: float = -6.0
    """Reward of an answer that is no label."""
    kl: float = 0.05
    """Last weight of the KL to the model before training, in points per nat: 1/precision; 0: no KL at all."""
    kl_start: float = 3.0
    """First weight; it falls geometrically to `kl` over the first two thirds of a phase. About the
    spread of the payoffs: large enough that no state settles before the states are told apart. Where it
    is not above the last weight, that one holds throughout."""
    kl_between: float = 0.3
    """Last weight in a phase that another follows: a policy that has settled for good has no gradient left
    to unlearn with (it scales with p (1 - p))."""
    kl_limit: float = 20.0
    """Training stops where the KL of the answers passes this many nats. It can only where the model thought
    an answer less likely than exp(-kl_limit); a fall of the legal mass stops it in any case."""
    steps: int = 24
    """Optimiser steps of a phase that names none."""
    sets: int = 1
    """Prompt sets in one pass of the network."""
    accumulation: int = 1
    """Passes in one optimiser step."""
    sample: int = 0
    """Players walking through the game on policy, where the states are too many to ask all; 0: ask all."""
    generations: int = 8
    """Completions sampled a prompt (sampled reinforcement learning)."""
    completion: int = 32
    """Most tokens of a sampled completion; one that is cut there is illegal."""
    temperature: float = 1.0
    lr: float = 3e-4
    rank: int = 64
    """LoRA rank; 0 trains all weights."""
    seed: int = 0
    save_every: int = 10
    report_to: str = "none"

    def kl_at(self, done: float, *, last: bool = True) -> float:
        """KL weight when this share of a phase is done (0 its first step, 1 its end)."""
        if self.kl == 0:
            return 0.0
        end = self.kl if last else max(self.kl, self.kl_between)
        if self.kl_start <= end:
            return end
        way = min(1.0, 1.5 * done)
        return self.kl_start ** (1 - way) * end**way

    def __post_init__(self) -> None:
        rules: list[tuple[str, bool, str]] = [
            ("objective", self.objective in ("myopic", "discounted"), "be myopic or discounted"),
            ("gamma", 0 <= self.gamma < 1, "lie in [0, 1)"),
            ("kl", 0 <= self.kl < float("inf"), "be at least 0"),
            ("kl_start", 0 <= self.kl_start < float("inf"), "be at least 0"),
            ("kl_between", 0 <= self.kl_between < float("inf"), "be at least 0"),
            ("kl_limit", self.kl_limit > 0, "be above 0"),
            ("seed", 0 <= self.seed < 2**32, "lie in [0, 2^32)"),
            ("illegal", np.isfinite(self.illegal), "be a number"),
            ("steps", self.steps >= 1, "be at least 1"),
            ("sets", self.sets >= 1, "be at least 1"),
            ("accumulation", self.accumulation >= 1, "be at least 1"),
            ("sample", self.sample >= 0, "be at least 0 (0 asks every state)"),
            ("generations", self.generations >= 2, "be at least 2 (they are compared with each other)"),
            ("completion", self.completion >= 1, "be at least 1"),
            ("temperature", 0 < self.temperature < float("inf"), "be above 0"),
            ("lr", 0 < self.lr < 1, "lie in (0, 1)"),
            ("rank", self.rank >= 0, "be at least 0 (0 trains all weights)"),
            ("save_every", self.save_every >= 1, "be at least 1"),
        ]
        for name, holds, rule in rules:
            if not holds:
                raise HominesError(f"{name} is {getattr(self, name)!r}; it must {rule}")
        if self.sample and self.objective == "discounted":
            raise HominesError(
                "the discounted return needs every state of the chain; use --objective myopic with --sample"
            )


@dataclass(frozen=True, eq=False)
class Outcome:
    """The objective over some sets, and figures to log."""

    loss: torch.Tensor
    reward: float
    mass: float
    kl: float
    legal: torch.Tensor
    """P(action) given a legal answer, detached, shape [set, state, action]."""

    @property
    def p(self) -> Array:
        """Mean over sets, shape [state, action]."""
        return self.legal.mean(0).numpy()


def objective(
    settings: Settings,
    logp: torch.Tensor,
    utility: torch.Tensor,
    replies: torch.Tensor,
    follows: torch.Tensor | None = None,
    reference: torch.Tensor | None = None,
    kl: float = 0.0,
) -> Outcome:
    """Loss of label log-probabilities.

    logp       [set, state, action], with gradients
    utility    u(s, a, b), shape [set, state, action, other]
    replies    q(b | s), shape [set, state, other]
    follows    index of the state after (s, a, b), shape [state, action, other]; for the discounted return
    reference  logp before training; `kl`: the weight of the KL to it, in points per nat
    """
    logp = logp.cpu().double()  # a few numbers, and Apple's GPUs have no float64
    prob = logp.exp()
    mass = prob.sum(-1)
    offered = torch.einsum("isab,isb->isa", utility, replies)
    reward = (prob * offered).sum(-1) + (1 - mass) * settings.illegal  # [set, state]
    log_legal = logp.log_softmax(-1)
    legal = log_legal.exp()
    if settings.objective == "discounted":
        assert follows is not None
        joint = torch.einsum("isa,isb->isab", legal, replies)
        count = joint.shape[1]
        flat = follows.reshape(1, count, -1).expand(len(joint), -1, -1)
        chain = torch.zeros(len(joint), count, count, dtype=logp.dtype).scatter_add(2, flat, joint.flatten(2))
        eye = torch.eye(count, dtype=chain.dtype)
        worth = torch.linalg.solve(eye - settings.gamma * chain, reward[..., None])[..., 0]
        gain = (1 - settings.gamma) * worth.mean()
    else:
        gain = reward.mean()
    loss = -gain
    divergence = torch.zeros((), dtype=logp.dtype)
    if reference is not None:
        before = reference.cpu().double().log_softmax(-1)
        divergence = (mass.detach() * (legal * (log_legal - before)).sum(-1)).mean()
        loss = loss + kl * divergence
    return Outcome(
        loss, float(gain.detach()), float(mass.detach().mean()), float(divergence.detach()), legal.detach()
    )
