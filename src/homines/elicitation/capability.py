"""Did alignment break the model? Sixty everyday questions by label probability, and the perplexity of
a short text, before and after.

Written for this package. The answer counted is the label of highest probability, terminator included;
with two or three labels a question, guessing is right on 21 of the 60.
"""

from __future__ import annotations

from typing import Any, Protocol

from homines.core.types import Choice, Model, Prompt

# question; right answer; wrong answers
QUESTIONS = """
What is the capital of France? | Paris | London | Rome
What is the capital of Japan? | Tokyo | Seoul | Beijing
What is the capital of Italy? | Rome | Madrid | Athens
What is the capital of Egypt? | Cairo | Lagos | Tunis
What is the capital of Germany? | Berlin | Vienna | Prague
Which is the largest planet in the solar system? | Jupiter | Mars | Venus
Which planet do we live on? | Earth | Mars | Saturn
What does the Earth travel around? | The Sun | The Moon | Mars
How many days are there in a week? | Seven | Five | Ten
How many months are there in a year? | Twelve | Ten | Seven
How many minutes are there in an hour? | Sixty | Twenty | Ninety
How many legs does a spider have? | Eight | Six | Four
How many legs does a dog have? | Four | Two | Six
How many sides does a triangle have? | Three | Four | Five
What is two plus two? | Four | Three | Six
What is ten minus three? | Seven | Six | Four
What is three times three? | Nine | Six | Twelve
What is half of ten? | Five | Two | Eight
Which number is larger, 9 or 4? | 9 | 4
Which number is smaller, 12 or 20? | 12 | 20
What color is the sky on a clear day? | Blue | Green | Red
What color is grass? | Green | Blue | Pink
What color is snow? | White | Black | Brown
What color do blue and yellow make? | Green | Purple | Orange
What do bees make? | Honey | Milk | Bread
What do cows give us to drink? | Milk | Juice | Tea
What do plants need to grow? | Sunlight | Plastic | Glass
What is frozen water called? | Ice | Steam | Sand
At how many degrees Celsius does water boil? | 100 | 50 | 10
Which gas do we need to breathe? | Oxygen | Helium | Neon
Which animal barks? | A dog | A cat | A bird
Which animal says meow? | A cat | A dog | A horse
Which animal can fly? | An eagle | A pig | A dog
Which animal lives in water? | A fish | A cat | A horse
What is the opposite of hot? | Cold | Warm | Loud
What is the opposite of up? | Down | Left | Over
What is the opposite of big? | Small | Tall | Huge
What is the opposite of day? | Night | Noon | Week
What is the past tense of "go"? | Went | Goed | Gone to
What is the plural of "mouse"? | Mice | Mouses | Mouse
What is the plural of "child"? | Children | Childs | Child
Which word rhymes with "cat"? | Hat | Dog | Sun
Which word means the same as "happy"? | Glad | Sad | Angry
Which word means the same as "quick"? | Fast | Slow | Heavy
Who wrote "Romeo and Juliet"? | Shakespeare | Einstein | Mozart
Which ocean lies between Europe and America? | The Atlantic | The Pacific | The Arctic
On which continent is Kenya? | Africa | Asia | Europe
On which continent is China? | Asia | Africa | Europe
Which language is mostly spoken in Brazil? | Portuguese | French | German
Which season is the coldest? | Winter | Summer | Spring
Which day comes after Monday? | Tuesday | Friday | Sunday
Which month comes after March? | April | July | January
What do you use to cut paper? | Scissors | A spoon | A pillow
What do you use to write? | A pen | A fork | A shoe
Where do you go to borrow books? | A library | A garage | A bakery
Who treats sick people? | A doctor | A pilot | A farmer
What do you wear on your feet? | Shoes | Gloves | A hat
Is fire hot or cold? | Hot | Cold
Can fish breathe under water? | Yes | No
Is the Moon larger than the Earth? | No | Yes
"""

TEXT = (
    "The old bridge at the edge of the village had been closed since the winter flood. Every morning the "
    "children walked the long way round, past the mill and the orchard, and every evening they came home "
    "with mud on their boots. When spring arrived, the neighbours met in the square and agreed to repair "
    "it themselves. The carpenter brought wood, the farmers brought ropes and horses, and the teacher drew "
    "a plan on the back of an old map. It took them three weeks. On the last day it rained, but nobody went "
    "home before the final plank was in its place."
)


class ReadsText(Model, Protocol):
    """A model that can also say how surprising a text is."""

    def perplexity(self, text: str, /) -> float: ...


EXAMPLES = (
    ("What do you call a baby cat?", "A kitten"),
    ("What is one plus one?", "Two"),
    ("What color is a ripe banana?", "Yellow"),
    ("Is sugar sweet or sour?", "Sweet"),
)


def items() -> list[Prompt]:
    """The questions after four answered examples; the right label first (a network cannot see that)."""
    out: list[Prompt] = []
    for line in QUESTIONS.strip().splitlines():
        question, *labels = (part.strip() for part in line.split("|"))
        turns = [turn for ask, tell in EXAMPLES for turn in (("user", _brief(ask)), ("assistant", tell))]
        out.append(Prompt((*turns, ("user", _brief(question))), tuple(labels)))
    return out


def _brief(question: str) -> str:
    return f"{question} Answer in one or two words."


def measure_capability(model: ReadsText, *, batch: int = 20) -> dict[str, Any]:
    """Accuracy on the questions and perplexity of the text (exp of the mean loss a token)."""
    asked = items()
    choices: list[Choice] = []
    for i in range(0, len(asked), batch):
        choices += model.score(asked[i : i + batch])
    answers: list[dict[str, Any]] = []
    for prompt, choice in zip(asked, choices, strict=True):
        right, given = prompt.labels[0], prompt.labels[int(choice.logp.argmax())]
        answers.append(
            {
                "question": prompt.messages[-1][1],
                "answer": right,
                "given": given,
                "right": given == right,
                "p": float(choice.p[0]),
            }
        )
    right = sum(answer["right"] for answer in answers)
    return {
        "right": right,
        "questions": len(answers),
        "accuracy": right / len(answers),
        "mass": sum(choice.mass for choice in choices) / len(choices),
        "perplexity": model.perplexity(TEXT),
        "answers": answers,
    }
