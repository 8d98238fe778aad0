"""Whatever is walked, the truth lies within the bounds; where all is walked, it is read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homines.core.types import HominesError
from homines.inference.top_logprobs import Step, Walk, read

END = b"<|im_end|>"
TOKENS = (END, b"a", b"b", b"ab", b"ba", b"c")
LABELS = ("a", "ab", "ba", "abab")
DEEP = 6

Node = Mapping[bytes, float]


class Language:
    """A random distribution over the next token, fixed by what stands before it, as tokens."""

    def __init__(self, seed: int, sharp: float) -> None:
        self.seed, self.sharp = seed, sharp

    def next(self, before: tuple[bytes, ...]) -> dict[bytes, float]:
        rng = np.random.default_rng([self.seed, *b"|".join(before)])
        p = rng.dirichlet([self.sharp] * len(TOKENS))
        return dict(zip(TOKENS, p.tolist(), strict=True))

    def probability(self, label: bytes, before: tuple[bytes, ...] = ()) -> float:
        """Of the whole label and its end, over every spelling."""
        here = self.next(before)
        if not label:
            return here[END]
        spelt = (t for t in TOKENS if t != END and label.startswith(t))
        return sum(here[t] * self.probability(label[len(t) :], (*before, t)) for t in spelt)

    def walk(self, rng: np.random.Generator, top: int, *, tells_end: bool = True) -> Walk:
        steps: list[Step] = []
        said: tuple[bytes, ...] = ()
        while len(said) < DEEP:
            here = self.next(said)
            token = TOKENS[rng.choice(len(TOKENS), p=list(here.values()))]
            if token == END and not tells_end:
                return Walk(tuple(steps), b"".join(said).decode(), True)
            likely = [t for t in sorted(here, key=lambda t: -here[t]) if tells_end or t != END][:top]
            steps.append(
                Step(token, float(np.log(here[token])), tuple((t, float(np.log(here[t]))) for t in likely))
            )
            if token == END:
                return Walk(tuple(steps), b"".join(said).decode(), True)
            said = (*said, token)
        return Walk(tuple(steps), b"".join(said).decode(), False)


@given(
    seed=st.integers(0, 10_000),
    sharp=st.sampled_from([0.2, 1.0]),
    walks=st.integers(1, 6),
    top=st.integers(1, len(TOKENS)),
)
def test_the_truth_lies_within_the_bounds(seed: int, sharp: float, walks: int, top: int) -> None:
    language, rng = Language(seed, sharp), np.random.default_rng(seed)
    told = read([language.walk(rng, top) for _ in range(walks)], LABELS)
    truth = np.array([language.probability(label.encode()) for label in LABELS])
    point = told.choice.p * told.choice.mass
    assert (told.low <= truth + 1e-9).all()
    assert (truth <= told.high + 1e-9).all()
    assert told.low.sum() - 1e-9 <= truth.sum() <= told.low.sum() + told.truncation + 1e-9
    assert (told.low <= point + 1e-9).all()
    assert (point <= told.high + 1e-9).all()
    assert 0 <= told.truncation <= 1


@pytest.mark.parametrize("sharp", [0.2, 1.0])
def test_the_truth_lies_within_the_bounds_where_ends_are_not_told(sharp: float) -> None:
    """Then frequencies are all that is known of ends: the bounds hold about as often as Jeffreys' do."""
    out, cases = 0, 600
    for seed in range(cases):
        language, rng = Language(seed, sharp), np.random.default_rng(seed)
        walks = [language.walk(rng, int(rng.integers(1, 7)), tells_end=False) for _ in range(4)]
        told = read(walks, LABELS)
        truth = np.array([language.probability(label.encode()) for label in LABELS])
        out += bool(((truth > told.high + 1e-9) | (truth < told.low - 1e-9)).any())
    assert out < 0.08 * cases


def test_an_empty_answer_without_its_log_probabilities_says_next_to_nothing() -> None:
    told = read([Walk((), "", True)] * 4, LABELS)
    assert told.low.sum() == 0
    assert told.truncation > 0.3
    assert told.high.max() <= told.truncation


@given(seed=st.integers(0, 10_000), walks=st.integers(1, 4))
def test_more_walks_never_tell_less(seed: int, walks: int) -> None:
    language, rng = Language(seed, 0.5), np.random.default_rng(seed)
    taken = [language.walk(rng, len(TOKENS)) for _ in range(2 * walks)]
    assert read(taken, LABELS).truncation <= read(taken[:walks], LABELS).truncation + 1e-9


def test_where_everything_was_walked_it_is_exact() -> None:
    language, rng = Language(7, 1.0), np.random.default_rng(0)
    told = read([language.walk(rng, len(TOKENS)) for _ in range(3000)], LABELS)
    truth = np.array([language.probability(label.encode()) for label in LABELS])
    assert told.truncation < 1e-3
    assert np.allclose(told.choice.p * told.choice.mass, truth, atol=1e-3)


def step(*likely: tuple[str, float]) -> Step:
    """The first is the one drawn."""
    top = tuple((token.encode(), float(np.log(p))) for token, p in likely)
    return Step(*top[0], top)


def test_labels_share_a_token_and_one_begins_the_other() -> None:
    walks = [
        Walk(
            (
                step(("act", 0.8), ("no", 0.2)),
                step(("1", 0.5), ("2", 0.5)),
                step(("</s>", 0.75), ("0", 0.25)),
            ),
            "act1",
            True,
        ),
        Walk(
            (step(("act", 0.8), ("no", 0.2)), step(("2", 0.5), ("1", 0.5)), step(("</s>", 1.0))), "act2", True
        ),
    ]
    told = read(walks, ["act1", "act2", "act10"])
    assert np.allclose(told.low, [0.3, 0.4, 0.0])
    assert told.truncation == pytest.approx(0.1)  # act10 was never ended
    assert np.allclose(told.high - told.low, [0, 0, 0.1])


def test_a_hidden_tail_is_not_zero_and_no_more_than_it_can_be() -> None:
    told = read([Walk((step(("no", 0.5), ("X", 0.2)), step(("</s>", 1.0))), "no", True)], ["X", "YZ"])
    # hidden: .3, of which the beginnings Y and YZ can have .2 each at most; X itself was not walked into
    assert told.high.round(9).tolist() == [0.2, 0.3]
    assert told.truncation == pytest.approx(0.5)
    assert told.choice.mass == pytest.approx(0.25)


def test_an_end_that_is_not_told_is_as_frequent_as_it_was() -> None:
    first = step(("X", 0.6), ("Y", 0.4))
    told = read([Walk((first,), "X", True)] * 3, ["X", "Y"])
    assert told.choice.mass == pytest.approx(1.0)
    assert 0.2 < told.low[0] < 0.6 == pytest.approx(told.high[0])
    assert told.low[1] == 0


def test_the_end_is_known_by_the_answer_in_words() -> None:
    """A server's own spelling of the end is learned from the walk, and known in its lists."""
    one = Walk((step(("X", 1.0)), step(("[bye]", 0.9), ("!", 0.1))), "X", True)
    other = Walk((step(("X", 1.0)), step(("!", 0.1), ("[bye]", 0.9)), step(("[bye]", 1.0))), "X!", True)
    for walks in ([one], [one, other]):
        told = read(walks, ["X", "X?"])
        assert told.low[0] == pytest.approx(0.9)
        assert told.truncation == 0


def test_parts_of_a_character_are_followed() -> None:
    raw = "é".encode()
    walk = Walk((Step(raw[:1], 0.0, ((raw[:1], 0.0),)), Step(raw[1:], 0.0), Step(b"</s>", 0.0)), "é", True)
    assert read([walk], ["é", "è"]).choice.p.tolist() == [1.0, 0.0]


def test_refusals_silence_and_cut_answers_have_no_legal_mass() -> None:
    for walk in (
        Walk((step(("I", 1.0)), step((" cannot", 1.0))), "I cannot", False),
        Walk((step(("</s>", 1.0)),), "", True),
    ):
        told = read([walk], ["X", "Y"])
        assert (told.choice.mass, told.truncation) == (0.0, 0.0)
        assert told.choice.p.tolist() == [0.5, 0.5]
    with pytest.raises(HominesError, match="no walks"):
        read([], ["X"])
