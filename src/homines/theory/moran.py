"""The Moran process of a finite population, exact: who takes over, and the long run under rare mutations.

A population of N; at each step one agent is copied, chosen in proportion to exp(w payoff), and replaces one
chosen at random. Where j of A and N - j of B are there (nobody meets itself; sigma: the assortment of
`theory.population`),

    pi_A(j) = sigma a_AA + (1 - sigma) ((j - 1) a_AA + (N - j) a_AB) / (N - 1)
    pi_B(j) = sigma a_BB + (1 - sigma) (j a_BA + (N - j - 1) a_BB) / (N - 1)

A birth-death chain, so that one A among N - 1 of B takes over with the probability (Karlin & Taylor 1975;
Nowak, Sasaki, Taylor & Fudenberg 2004, Nature 428: 646; exp(w payoff): Traulsen, Shoresh & Nowak 2008)

    rho_AB = 1 / (1 + sum_{k=1}^{N-1} prod_{j=1}^{k} exp(-w (pi_A(j) - pi_B(j)))),    1 / N where w = 0.

Where mutations are so rare that one takes over or is lost before the next, the population is of one type
nearly always and moves between types as a Markov chain with P_ij = rho_ji / (n - 1) (Fudenberg & Imhof 2006,
Journal of Economic Theory 131: 251); its stationary distribution is exact here, in logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from homines.core.checks import count, number
from homines.core.types import Array, frozen
from homines.theory.chain import stationary_distribution
from homines.theory.population import assortative

MOST_AGENTS = 1_000_000


@dataclass(frozen=True)
class Moran:
    """A Moran process.

    size        N, the number of agents, at least 2
    selection   w >= 0: how much payoffs count for being copied, in 1 / points; 0: nothing, drift alone
    sigma       assortment, in [0, 1]
    """

    size: int
    selection: float
    sigma: float = 0.0

    def __post_init__(self) -> None:
        count("population size", self.size, 2, MOST_AGENTS)
        number("selection", self.selection, 0)
        number("sigma", self.sigma, 0, 1)

    def gains(self, matrix: Array, mutant: int, resident: int) -> Array:
        """pi_A(j) - pi_B(j) for j = 1, ..., N - 1 mutants, shape [N - 1]."""
        n, j = self.size, np.arange(1, self.size)
        (aa, ab), (ba, bb) = matrix[np.ix_((mutant, resident), (mutant, resident))]
        met_by_mutants = ((j - 1) * aa + (n - j) * ab) / (n - 1)
        met_by_residents = (j * ba + (n - j - 1) * bb) / (n - 1)
        return self.sigma * (aa - bb) + (1 - self.sigma) * (met_by_mutants - met_by_residents)

    def log_fixation(self, matrix: Array, mutant: int, resident: int) -> float:
        """log of the probability that one mutant among N - 1 residents takes over."""
        steps = np.cumsum(-self.selection * self.gains(matrix, mutant, resident))
        return -float(np.logaddexp.reduce(np.append(0.0, steps)))

    def fixations(self, matrix: Array) -> Array:
        """Fixation probabilities, shape [resident, mutant]; 1 / N on the diagonal, for one that is alike."""
        assortative(matrix, self.sigma)  # checks the matrix
        types = range(len(matrix))
        return frozen(np.exp([[self.log_fixation(matrix, j, i) for j in types] for i in types]))

    def rare_mutations(self, matrix: Array) -> Array:
        """Share of time that the population is of each type, shape [type], where mutations are rare and every
        other type equally likely."""
        assortative(matrix, self.sigma)
        n = len(matrix)
        logs = np.full((n, n), -np.inf)
        for i in range(n):
            for j in range(n):
                if i != j:
                    logs[i, j] = self.log_fixation(matrix, j, i)
        return frozen(stationary_distribution(logs))
