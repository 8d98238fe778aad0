"""From inspect-ai's answers to choices; `homines measure`, the tasks of evals/ and imported logs read here.

An answer is a ChatCompletionChoice of inspect-ai. Answers with log-probabilities are read by
inference/top_logprobs.py; all others are texts, which are read as words (answer_reader.py) and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from homines.core.types import Choice, HominesError, Prompt
from homines.inference.answer_reader import Reading as TextReading
from homines.inference.answer_reader import read as read_text
from homines.inference.impossible import UNLIKELY, UNSPELT, check_logp, check_position
from homines.inference.sampled_answers import count_answers, reading_notes
from homines.inference.top_logprobs import Reading, Step, Walk
from homines.inference.top_logprobs import read as read_walks


def ends_turn(answer: Any) -> bool:
    """Whether this answer ended its turn by itself."""
    return answer.stop_reason == "stop"


def has_logprobs(answer: Any) -> bool:
    """Whether an answer has log-probabilities, and they are those of its own text.

    They are missing where a router passed the call to a provider that gives none. They belong to another text
    where the server cut thinking out of the answer.
    """
    if answer.logprobs is None or not answer.logprobs.content:
        return False
    tokens = answer.logprobs.content
    raw = [bytes(t.bytes) if t.bytes is not None else t.token.encode() for t in tokens]
    text = answer.message.text.strip()
    return any(b"".join(raw[:n]).decode(errors="replace").strip() == text for n in (len(raw), len(raw) - 1))


def read_logprobs(answers: Sequence[Any], labels: Sequence[str]) -> Reading:
    """Probabilities of the labels from sampled answers that all have log-probabilities."""
    return read_walks([walk(answer, labels) for answer in answers], labels)


@dataclass(frozen=True, eq=False)
class TextAnswers:
    """Answers read as texts: the choice that they make, and the reading of each.

    notes   what a record keeps of them (`sampled_answers.reading_notes`)
    """

    choice: Choice
    readings: tuple[TextReading, ...]
    notes: dict[str, Any]

    @property
    def indices(self) -> list[int | None]:
        return [reading.label for reading in self.readings]


def read_texts(answers: Sequence[Any], prompt: Prompt) -> TextAnswers:
    """Read answers as texts; where the prompt has a cue and a text has it, what stands after the cue."""
    texts = [answer.message.text for answer in answers]
    readings = tuple(
        read_text(_after(text, prompt.cue), prompt.labels, finished=ends_turn(answer))
        for text, answer in zip(texts, answers, strict=True)
    )
    choice = count_answers([reading.label for reading in readings], len(prompt.labels))
    return TextAnswers(choice, readings, {"counted": True, **reading_notes(texts, readings)})


def _after(text: str, cue: str) -> str:
    return text.partition(cue)[2] if cue and cue in text else text


def walk(answer: Any, labels: Sequence[str]) -> Walk:
    """An answer with its log-probabilities, as top_logprobs.read takes it.

    Raises Impossible where log-probabilities of one position contradict each other, HominesError where a
    label is not ASCII and the server sends no bytes.
    """
    ascii_labels = all(label.isascii() for label in labels)

    def raw(token: Any) -> bytes:
        if token.bytes is not None:
            return bytes(token.bytes)
        if UNSPELT in token.token and not ascii_labels:
            raise HominesError(
                f"the server tells no bytes of tokens, so labels {tuple(labels)} cannot be followed; use "
                "labels in ASCII, or read=samples"
            )
        return token.token.encode()

    def step(place: Any) -> Step:
        likely = [(t.token, raw(t), check_logp(t.logprob)) for t in place.top_logprobs or ()]
        drawn = (place.token, raw(place), check_logp(place.logprob))
        if likely:
            check_position([*likely, *([drawn] if _adds(drawn, likely) else [])])
        once: dict[tuple[bytes, float | None], float] = {}
        for text, token, logp in likely:  # of nearly equal values the first; parts of characters stay apart
            once.setdefault((token, logp if UNSPELT in text else None), logp)
        return Step(drawn[1], drawn[2], tuple((token, logp) for (token, _), logp in once.items()))

    content = answer.logprobs.content if answer.logprobs is not None else []
    return Walk(tuple(map(step, content)), answer.message.text, ends_turn(answer))


def _adds(drawn: tuple[str, bytes, float], likely: Sequence[tuple[str, bytes, float]]) -> bool:
    """Whether the log-probability of the drawn token adds to the list of the likeliest.

    Servers send -9999 ("very unlikely") for a token outside of their list. Parts of characters have one
    spelling, thus a part that is in the list cannot be compared with the drawn one.
    """
    listed = any(token[:2] == drawn[:2] for token in likely)
    return UNSPELT not in drawn[0] if listed else drawn[2] > UNLIKELY
