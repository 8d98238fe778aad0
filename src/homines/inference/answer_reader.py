r"""The reader of answers in words: the one label that a text chooses, or why it chooses none. English only.

A text is read where it says a choice, and names no other choice:

    exact      it is a label to the letter, white space around it aside
    stripped   it is a label in wrapping: quotes, asterisks, brackets, one final mark, another case, LaTeX
               (\boxed{X}), a tag (<answer>X</answer>), JSON ({"choice": "X"}), a fence; an amount may have a
               unit
    sentence   it says a choice in a sentence ("I choose X.", "My answer is X", "X it is", "Answer: X", a
               label alone on a line) and names no other label anywhere
    last line  it may weigh several labels above, and says a choice in its last line, which names no other

All choices that a text says must be the same label. What is illegal:

    both       it names several labels, and no last line settles on one
    none       it says no choice: another text, a question, a condition ("X if ..."), a negation ("I would not
               choose X"), a retraction ("X. Wait, no"), an answer that is no label; either also in the reason
               or remark behind a choice ("X because, wait, no", "X (but only in the first round)")
    truncated  it was cut before its end, or never left its block of thinking (<think>)

Only patterns that say a choice are read, so that negations need no list of words: they fit no pattern. A
label is a whole word: "action1" is not in "action10", nor "3" in "3.5". A label of one letter or of digits is
read alone, or behind words that choose, there in its own case: "A good idea" chooses nothing. What a person
would read and this grammar does not is illegal, counted and shown, never guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, cast

from homines.core.strict_json import loads

EXACT, STRIPPED, SENTENCE, LAST = LEGAL = ("exact", "stripped", "sentence", "last line")
"""How a legal answer was read."""
BOTH, NONE, TRUNCATED = ILLEGAL = ("both", "none", "truncated")
"""Why a text is no answer."""
OPEN, CLOSED = "<think>", "</think>"
LONGEST = 20_000
"""Characters of a text that is read; a longer one is illegal."""
AMOUNTS = 3
"""Labels that are all numbers, and at least so many, are amounts: they may have a unit."""

WRAPPING = " \t\r\n\f\v\u00a0*_\"'`\u201c\u201d\u2018\u2019\u00ab\u00bb"
"""Characters that may surround a label: white space, asterisks, quotes."""
_QUOTES = re.compile(
    "[*`\"\u201c\u201d\u00ab\u00bb]|(?<!\\w)['\u2018\u2019]|['\u2019](?!\\w)|(?<![^\\W_])_+|_+(?![^\\W_])"
)
_UNENDED = re.compile(r"(?:[:,]|\b(?:or|and|than|not|of|is))$", re.IGNORECASE)
"""What a line ends in that goes on in the next."""
_BOX = re.compile(
    r"\$*\\boxed\s*\{\s*((?:[^{}]|\\\w+\s*\{[^{}]*\})*)\}\$*|<answer>([^<]*)</answer>", re.IGNORECASE
)
_LATEX = re.compile(r"\\(?:text|textbf|mathrm|mathbf|textit)\s*\{([^{}]*)\}")
_FENCE = re.compile(r"```\w*[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)
_MARKER = re.compile(r"^(?:[#>\u2022-]+\s+)+|^\*\s+")
FINAL = ".!,;:)"
"""Marks of which one may end a label."""
_BRACKETS = ("()", "[]", "{}", "$$")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_UNIT = r"(?:\s*(?:points?|coins?|dollars?|euros?|cents?|units?|tokens?|credits?|usd|eur|ecu)\b)?"

_NOUN = r"(?:answer|choice|decision|selection|pick|move|action|option|response|vote|offer|price)"
_IS = r"(?:\s+(?:is|will be|would be)\b|\s*[:=\u2013\u2014-])+"
_KEY = re.compile(rf"(?:(?:my|your|final|the|chosen|selected)[_ ]?)*{_NOUN}", re.IGNORECASE)
_REASON = (
    r"(?:since|because|given|based on|considering|looking at|to|in order to|in this|in conclusion|in summary|"
    r"as (?:a|an|the|my|player|both|it)|for this reason)\b[^,;:?]*[,:]\s*"
)
_ADVERB = r"(?:so|thus|therefore|hence|okay|ok|well|yes|sure|alright|then|and|finally|overall|now)\b[,:]?\s+"
_LEAD = rf"(?:(?:{_REASON}|{_ADVERB})*)"
_WILL = r"(?:'d|'ll|'m going to| will| would| shall| am going to| decide to|(?: have|'ve) decided to)?"
_VERB = r"(?:choose|pick|select|play|take|opt for|go with|go for|vote for)"
_DOING = r"(?:choosing|picking|selecting|playing|taking|opting for|going with|going for|voting for)"
_PAY = r"(?:offer|send|give|return|contribute|charge|bid|invest|donate|set (?:my|the|a) price (?:at|to|of))"
_PAYEE = (
    r"(?:(?: back)? to (?:them|him|her|player \d|(?:the|my) (?:other|first|second|partner|opponent|responder)"
    r"(?: player| person| one| firm)?))?"
)
_FILL = (
    r"(?:\s*:)?(?:\s+(?:the|to|be|play|choose|option|action|choice|move|answer|label|number|price of|"
    r"an? (?:offer|price) of))*\s*[:(\[]?\s*"
)
_ANSWER = r"(?:my |the )?(?:final |own )?answer\s*(?:is)?\s*:"
_LEADS = re.compile(rf"\A{_LEAD}", re.IGNORECASE)
_ANSWERS = re.compile(rf"{_LEAD}{_ANSWER}", re.IGNORECASE)
_BECAUSE = (
    r"(?:,?\s+(?:because|since|so that|in order to|as (?:it|this|that|the|i|we|my)|to (?:maximi[sz]e|get|"
    r"ensure|keep|secure|avoid|achieve|earn|protect|build|encourage|reward|punish|show))\b.*)"
)
_REMARK = (
    r"(?:\s*\((?!.*\b(?:not|or|if|unless|maybe)\b)[^()]*\)|"
    r",?\s+(?:again|now|here|this time|in this (?:round|case|game)))"
)
_DOUBT = re.compile(
    r"\b(?:but|unless|until|wait|hmm+|actually|instead|however|on second thoughts?|never ?mind|i changed|"
    r"only (?:if|when|while|for|in|this|once)|(?:this|first|one) (?:round|time|game) only|for now|"
    r"for the first|(?:if|when|as long as|provided|in case) (?:that )?you|"
    r"i(?:'ll| will| would| do)(?: do| choose| pick| play)?(?: so| it| this| that)? if)\b|"
    r"\bno(?=\W*$|\s*[,;:.!])|\([^()]*\b(?:no|first round|at first|initially)\b",
    re.IGNORECASE,
)
"""What makes a choice none in the reason or remark behind it: a retraction or a condition on the choice."""
_RETRACTION = re.compile(
    r"(?:no|not|wait|actually|hmm+|sorry|correction|scratch|on second thought|rather|instead|however|but|"
    r"only|unless|if|maybe|perhaps|or|never ?mind|otherwise|let me|i (?:take|change|mean|meant))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Reading:
    """label: its index, None where the text is illegal. how: one of LEGAL, or the reason, one of ILLEGAL."""

    label: int | None
    how: str


def read(text: str, labels: Sequence[str], *, finished: bool = True) -> Reading:
    r"""The label that a text chooses, by the grammar above. finished: whether the text ended its turn.

    >>> says = ["Y", "**Y**.", "I choose Y.", "X or Y?\n\nAnswer: Y", "I would not choose Y", "X, Y"]
    >>> [read(text, ["X", "Y"]).how for text in says]
    ['exact', 'stripped', 'sentence', 'last line', 'none', 'both']
    """
    if not finished:
        return Reading(None, TRUNCATED)
    if len(text) > LONGEST:
        return Reading(None, NONE)
    reader = _reader(tuple(labels))
    if (index := reader.exact(text)) is not None:
        return Reading(index, EXACT)
    answer = text.lstrip()
    if answer.startswith(OPEN):
        _, closed, answer = answer.partition(CLOSED)
        if not closed:
            return Reading(None, TRUNCATED)
    if (index := reader.whole(answer)) is not None:
        return Reading(index, STRIPPED)
    return reader.prose(answer)


@lru_cache(256)
def _reader(labels: tuple[str, ...]) -> _Reader:
    return _Reader(labels)


class _Reader:
    """The patterns of one set of labels."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = [label.strip() for label in labels]
        numbers = [_NUMBER.fullmatch(label) is not None for label in self.labels]
        self.amounts = all(numbers) and len(labels) >= AMOUNTS
        self.folds = _unique([_fold(label) for label in self.labels])
        self.values = _unique([float(label) for label in self.labels]) if self.amounts else {}
        plain = [_plain(label) for label in self.labels]
        folds = _unique([_fold(word) for word in plain])
        longest = sorted(_unique(plain).values(), key=lambda i: -len(plain[i]))
        alternatives = "|".join(
            f"(?P<at{i}>{_pattern(plain[i], cased=_fold(plain[i]) not in folds)})" for i in longest
        )
        self.mention = re.compile(alternatives) if alternatives else None
        self._alternatives = alternatives

    @cached_property
    def patterns(self) -> list[re.Pattern[str]]:
        """The sentences that say a choice, without what may lead to it."""
        if not self._alternatives:
            return []
        sign, unit = (r"[$\u20ac\u00a3]?\s*", rf"{_UNIT}{_PAYEE}") if self.amounts else ("", "")
        label = rf"{sign}(?:{self._alternatives}){unit}[)\]]?"
        end = rf"(?:{_BECAUSE}|{_REMARK})?\s*"
        verb = rf"(?:{_VERB}|{_PAY})" if self.amounts else _VERB
        says = (
            rf"(?:i|we){_WILL}(?: now| therefore| again| simply)?\s+{verb}{_FILL}{label}",
            rf"(?:i|we)(?: am|'m|'re| are) {_DOING}{_FILL}{label}",
            rf"(?:i|we)(?:'ve| have) (?:chosen|picked|selected|decided on){_FILL}{label}",
            rf"let(?:'s| us) {_VERB}{_FILL}{label}",
            rf"(?:here(?:'s| is) )?(?:(?:my|the) )?(?:final |own )?{_NOUN}{_IS}{_FILL}{label}",
            rf"(?:option|action|choice|answer|move)\s+[(\[]?{label}",
            rf"{label}\s+(?:is|will be|would be) my (?:final )?{_NOUN}",
            rf"{label},? it is",
        )
        return [re.compile(one + end, re.IGNORECASE | re.DOTALL) for one in says]

    def exact(self, text: str) -> int | None:
        bare = text.strip()
        return self.labels.index(bare) if self.labels.count(bare) == 1 else None

    def whole(self, text: str) -> int | None:
        """The label that a text is, without its wrapping; None where it is more or less than one."""
        bare = text.strip()
        if (index := self._of_json(bare)) is not None:
            return index
        for inner in _peeled(bare):
            bare = inner
            if (index := self.exact(bare)) is not None:
                return index
        if (index := self.folds.get(_fold(bare))) is not None:
            return index
        if self.amounts and (
            match := re.fullmatch(rf"[$\u20ac\u00a3]?\s*(-?\d+(?:\.\d+)?){_UNIT}", bare, re.IGNORECASE)
        ):
            return self.values.get(float(match[1]))
        return None

    def _of_json(self, text: str) -> int | None:
        """The label of a JSON object with a key that means a choice ('choice', 'my_answer')."""
        if fenced := _FENCE.fullmatch(text):
            text = fenced[1].strip()
        if not text.startswith("{"):
            return None
        try:
            raw: Any = loads(text)
        except ValueError:
            return None
        pairs = cast("dict[str, Any]", raw).items() if isinstance(raw, dict) else ()
        said = [value for key, value in pairs if _KEY.fullmatch(key)]
        chosen = {self.whole(str(value)) if isinstance(value, str | int | float) else None for value in said}
        return chosen.pop() if len(chosen) == 1 else None

    def prose(self, text: str) -> Reading:
        """The label that sentences choose."""
        lines = _lines(_FENCE.sub(lambda m: " ".join(m[1].split()), text))
        named = self.named("\n".join(lines))
        if not lines or not named:
            return Reading(None, NONE)
        said = [list(self._said(line)) for line in lines]
        spoken = [pair for of_line in said for pair in of_line]
        choices = {choice for _, of_sentence in spoken for choice in of_sentence}
        if len(choices) == 1 and None not in choices and not _retracted(spoken):
            (choice,) = choices
            settled = any(of_sentence for _, of_sentence in said[-1]) and self.named(lines[-1]) == {choice}
            if named == {choice} or settled:
                return Reading(choice, LAST if settled and len(lines) > 1 else SENTENCE)
        return Reading(None, BOTH if len(named) > 1 else NONE)

    def named(self, text: str) -> set[int]:
        """The labels that stand in a text as words."""
        if self.mention is None:
            return set()
        return {_index(match) for match in self.mention.finditer(_plain(text))}

    def _said(self, line: str) -> Iterator[tuple[str, list[int | None]]]:
        """(sentence, the choices that it says) of a line; None for an answer that is no label."""
        if (index := self.whole(line)) is not None:
            yield line, [index]
            return
        boxes = [self.whole(a or b) for a, b in _BOX.findall(line)]
        plain = _plain(_BOX.sub(lambda match: match[1] or match[2], line))
        spoken = [(sentence, self._choice(sentence)) for sentence in _sentences(plain)]
        heading, newline, rest = line.rpartition("\n")
        if newline and not any(choices for _, choices in spoken) and self.whole(rest) is not None:
            yield heading, [None]  # a label in a list, or under a condition
        yield from [("", list(boxes)), *spoken]

    def _choice(self, sentence: str) -> list[int | None]:
        """The choice of a sentence as a list of one, None where it doubts it; empty where it says none."""
        bare = sentence.rstrip(" .!")
        for text in dict.fromkeys((_LEADS.sub("", bare), bare)):
            for pattern in self.patterns:
                if match := pattern.fullmatch(text):
                    behind = match.end(str(match.lastgroup))
                    return [None if _DOUBT.search(text, behind) else _index(match)]
        if (index := self.whole(sentence)) is not None and _wordy(self.labels[index]):
            return [index]
        return [None] if _ANSWERS.match(bare) else []


def _index(match: re.Match[str]) -> int:
    """Which label it is that a pattern of ours met."""
    return int(str(match.lastgroup).removeprefix("at"))


def _retracted(spoken: Sequence[tuple[str, list[int | None]]]) -> bool:
    """Whether a sentence after the last choice takes it back."""
    last = max((i for i, (_, choices) in enumerate(spoken) if choices), default=len(spoken))
    return any(_RETRACTION.match(sentence) for sentence, _ in spoken[last + 1 :])


def _unique(keys: Sequence[Any]) -> dict[Any, int]:
    """Indices by key, without the keys that occur twice and the empty one."""
    return {key: i for i, key in enumerate(keys) if keys.count(key) == 1 and key != ""}


def _fold(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _plain(text: str) -> str:
    """A text without quotes and asterisks, its apostrophes straight."""
    return _QUOTES.sub("", unicodedata.normalize("NFC", text)).replace("\u2019", "'").strip()


def _wordy(label: str) -> bool:
    """Whether a label is a word, and no letter or number, which other texts have as well."""
    return sum(map(str.isalpha, label)) > 1


def _pattern(word: str, *, cased: bool) -> str:
    """A label as a whole word; in any case where it is a word, but for `cased`."""
    if _NUMBER.fullmatch(word):
        return rf"(?<![\w.,/+-]){re.escape(word)}(?![\w%/]|[.,]\d|-\w)"
    case = "(?i:{})" if _wordy(word) and not cased else "(?-i:{})"
    return rf"(?<!\w)(?<!\w-){case.format(re.escape(word))}(?!\w|-\w)"


def _peeled(text: str) -> Iterator[str]:
    """The text under its layers of wrapping, and then without one final mark and what is under that."""
    for marks in (0, 1):
        if marks:
            if not text or text[-1] not in FINAL:
                return
            text = text[:-1].rstrip()
            if text[-1:] in (*FINAL, "?"):
                return
            yield text
        while (inner := _unwrapped(text)) != text:
            yield (text := inner)


def _unwrapped(text: str) -> str:
    """The text without one layer of wrapping."""
    if match := _FENCE.fullmatch(text.strip()):
        return match[1].strip()
    for pattern in (_BOX, _LATEX):
        if match := pattern.fullmatch(text):
            return next(group for group in match.groups() if group is not None).strip()
    bare = _MARKER.sub("", text.strip(WRAPPING))
    for pair in _BRACKETS:
        if len(bare) > 2 and bare[0] == pair[0] and bare[-1] == pair[1] and bare[:2] != '{"':
            return bare[1:-1].strip()
    return bare


def _lines(text: str) -> list[str]:
    """The lines with text, without their markers. One that ends in mid-sentence goes on in the next."""
    out: list[str] = []
    for line in filter(None, (_MARKER.sub("", line.strip()) for line in text.splitlines())):
        if out and _UNENDED.search(_plain(out[-1])) and not _ANSWERS.match(_plain(line)):
            out[-1] = f"{out[-1]}\n{line}"
        else:
            out.append(line)
    return out


def _sentences(line: str) -> list[str]:
    return [sentence for sentence in re.split(r"(?<=[.!?])\s+", line) if sentence]
