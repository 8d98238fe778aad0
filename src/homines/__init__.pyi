"""What the package offers, for editors: printed by `python -m homines.namespace`."""

from homines.api import Frames, Games, Loaded, Path, Policy, Preference, RunResult, Words
from homines.api_plans import CertificateResult, Frame, Game, PopulationResult, Sequence, ValuesResult
from homines.api import atlas as atlas
from homines.api import load as load
from homines.api import report as report
from homines.api import transfer as transfer
from homines.frames.bare import Bare as _frames_bare
from homines.frames.bimatrix import Bimatrix as _frames_bimatrix
from homines.frames.experiment import Experiment as _frames_experiment
from homines.frames.market import Market as _frames_market
from homines.frames.sentences import Sentences as _frames_sentences
from homines.frames.story import Story as _frames_story
from homines.frames.table import Table as _frames_table
from homines.frames.under import Under as _frames_under
from homines.games.av import av as _games_av
from homines.games.av_rating import av_rating as _games_av_rating
from homines.games.bos import bos as _games_bos
from homines.games.commons_iterated import commons_iterated as _games_commons_iterated
from homines.games.contract import contract as _games_contract
from homines.games.dictator import dictator as _games_dictator
from homines.games.dilemma import dilemma as _games_dilemma
from homines.games.duopoly import duopoly as _games_duopoly
from homines.games.icd import icd as _games_icd
from homines.games.icn import icn as _games_icn
from homines.games.ipd import ipd as _games_ipd
from homines.games.ish import ish as _games_ish
from homines.games.ivd import ivd as _games_ivd
from homines.games.mediator import mediator as _games_mediator
from homines.games.ordinal import ordinal as _games_ordinal
from homines.games.pricing import pricing as _games_pricing
from homines.games.promise import promise as _games_promise
from homines.games.public_goods import public_goods as _games_public_goods
from homines.games.public_goods_iterated import public_goods_iterated as _games_public_goods_iterated
from homines.games.public_goods_round import public_goods_round as _games_public_goods_round
from homines.games.punishment import punishment as _games_punishment
from homines.games.reciprocity import reciprocity as _games_reciprocity
from homines.games.reputation import reputation as _games_reputation
from homines.games.spd import spd as _games_spd
from homines.games.split import split as _games_split
from homines.games.symmetric import symmetric as _games_symmetric
from homines.games.trust import trust as _games_trust
from homines.games.trust_menu import trust_menu as _games_trust_menu
from homines.games.trust_return import trust_return as _games_trust_return
from homines.games.ultimatum import ultimatum as _games_ultimatum
from homines.games.ultimatum_menu import ultimatum_menu as _games_ultimatum_menu
from homines.opponents.alternator import Alternator as _opponents_alternator
from homines.opponents.always_cooperate import AlwaysCooperate as _opponents_always_cooperate
from homines.opponents.always_defect import AlwaysDefect as _opponents_always_defect
from homines.opponents.axelrod import Axelrod as _opponents_axelrod
from homines.opponents.conditional_contributor import ConditionalContributor as _opponents_conditional_contributor
from homines.opponents.extortion import Extortion as _opponents_extortion
from homines.opponents.generous_tit_for_tat import GenerousTitForTat as _opponents_generous_tit_for_tat
from homines.opponents.grim import Grim as _opponents_grim
from homines.opponents.linear_contributor import LinearContributor as _opponents_linear_contributor
from homines.opponents.memory_one import MemoryOne as _opponents_memory_one
from homines.opponents.nash import Nash as _opponents_nash
from homines.opponents.qlearner import Qlearner as _opponents_qlearner
from homines.opponents.random import Random as _opponents_random
from homines.opponents.tit_for_tat import TitForTat as _opponents_tit_for_tat
from homines.opponents.two_tits_for_tat import TwoTitsForTat as _opponents_two_tits_for_tat
from homines.opponents.undercut import Undercut as _opponents_undercut
from homines.opponents.win_stay_lose_shift import WinStayLoseShift as _opponents_win_stay_lose_shift
from homines.preferences.altruist import Altruist as _preferences_altruist
from homines.preferences.anti_deontological import AntiDeontological as _preferences_anti_deontological
from homines.preferences.anti_equality import AntiEquality as _preferences_anti_equality
from homines.preferences.anti_kindness import AntiKindness as _preferences_anti_kindness
from homines.preferences.anti_utilitarian import AntiUtilitarian as _preferences_anti_utilitarian
from homines.preferences.bfs import Bfs as _preferences_bfs
from homines.preferences.charness_rabin import CharnessRabin as _preferences_charness_rabin
from homines.preferences.deontological import Deontological as _preferences_deontological
from homines.preferences.economicus import Economicus as _preferences_economicus
from homines.preferences.game_deontological import GameDeontological as _preferences_game_deontological
from homines.preferences.inequity import Inequity as _preferences_inequity
from homines.preferences.kantian import Kantian as _preferences_kantian
from homines.preferences.lives import Lives as _preferences_lives
from homines.preferences.maximin import Maximin as _preferences_maximin
from homines.preferences.moralis import Moralis as _preferences_moralis
from homines.preferences.utilitarian import Utilitarian as _preferences_utilitarian
from homines.preferences.virtue_equality import VirtueEquality as _preferences_virtue_equality
from homines.preferences.virtue_kindness import VirtueKindness as _preferences_virtue_kindness
from homines.preferences.virtue_mixed import VirtueMixed as _preferences_virtue_mixed

__version__: str
__all__: list[str]

def align(
    model: str | Loaded,
    to: str | Preference,
    *,
    games: Games = 'ipd',
    opponent: str | Policy | None = None,
    frames: Frames = 'table',
    out: str | Path | None = None,
    by: str = 'rl',
    warmup: int = 0,
    rival: str | None = None,
    memory: int = 1,
    states: tuple[str, ...] | None = None,
    rewordings: bool = True,
    side_effects: bool = True,
    benchmark: tuple[str, ...] | None = None,
    objective: str = 'myopic',
    gamma: float = 0.9,
    illegal: float = -6.0,
    kl: float = 0.05,
    kl_start: float = 3.0,
    kl_steps: int = 16,
    kl_between: float = 0.3,
    kl_limit: float = 20.0,
    text_kl: float = 1.0,
    steps: int = 24,
    until: float = 0.05,
    sets: int = 1,
    accumulation: int = 1,
    sample: int = 0,
    generations: int = 8,
    completion: int = 32,
    temperature: float = 1.0,
    lr: float = 0.0003,
    rank: int = 64,
    seed: int = 0,
    save_every: int = 10,
    report_to: str = 'none',
    labels: Words | None = None,
    unseen: Words | None = None,
    other_games: Games = (),
    progress: bool = True,
) -> Loaded:
    """Align a model to a preference and measure it before and after, as `homines align` does.

    to            a preference, or a schedule as text: 'economicus:16 -> utilitarian:20'
    opponent      plays the other seats; None: tit_for_tat, except with a rival
    labels        words for the actions, as of `measure`; `unseen`: labels to verify on, not trained on
    other_games   to verify on
    progress      bars on standard error (default)
    options       fields of AlignmentPlan and Settings (training.settings): steps, lr, seed, by, rival ...
    Returns the aligned model with its evidence as `.run`. The folder holds a LoRA adapter (with rank=0, a
    whole model) and its card. The original model is not changed. The same call again continues the run, or
    returns it where it is done.
    """

def certify(
    model: str | Loaded,
    *,
    against: str | Path | None = None,
    out: str | Path | None = None,
    progress: bool = True,
    base: str | None = None,
    quick: bool = False,
    tolerance: float = 0.01,
) -> CertificateResult:
    """Write a model's certificate and compare it with an earlier one, as `homines certify` does.

    against    a certificate, whose form is asked anew: `.comparison()` says value by value what changed
    out        folder; None: one in runs/. What is answered there is not asked again
    progress   bars on standard error
    base, quick, tolerance   as of the command
    Raises HominesError for a file that is no certificate, before a model is asked.
    """

def measure(
    model: str | Loaded,
    games: Games = 'ipd',
    *,
    frames: Frames = 'table',
    labels: Words | None = None,
    out: str | Path | None = None,
    swap: bool = True,
    beliefs: bool | None = None,
    goal: str | None = None,
    begins: str | None = None,
    decompose: bool = False,
    traces: int = 1,
    temperature: float = 0.0,
    think: int = 192,
    seed: int = 0,
    batch: int | None = None,
    progress: bool = True,
    until: str | None = None,
    families: tuple[str, ...] = ('kantian', 'inequity', 'moralis'),
    stake: int = 9,
    pool: int = 2000,
    least: int = 30,
    max_questions: int = 1000,
) -> RunResult:
    """Read a model's exact choice distribution in games, in every option order, as `homines measure` does.

    games      "battery" among them: 18 sequential games and beliefs (beliefs=False: without), which
               tell alpha, beta and kappa
    labels     words for the actions, 'X,Y'; several sets as a list
    out        run folder; None: the folder in runs/ that the command would use. Questions with an answer
               there are not asked again
    decompose  also drawn games and words that tell word, place, echo and payoff apart: RunResult.decompose
    until      "se(kappa)<.1": kinds of games to draw from, and the next best one asked until this holds;
               families, stake, pool, least, max_questions: docs/next_question.md
    swap, beliefs, goal, begins, traces, temperature, think, seed   as of the command
    progress   bars on standard error (default)
    Raises HominesError for an unknown spec or option, before a model is loaded.
    """

def persist(
    model: str | Loaded,
    *,
    to: str | Preference | None = None,
    games: Games | None = None,
    frames: Frames = 'table',
    labels: Words | None = None,
    out: str | Path | None = None,
    conditions: Words | None = None,
    tune: int = 0,
    aloud: bool = False,
    traces: int = 1,
    temperature: float = 0.0,
    think: int = 192,
    seed: int = 0,
    side_effects: bool = True,
    progress: bool = True,
) -> RunResult:
    """Ask the same questions plainly and under each condition, as `homines persist` does.

    to           preference whose answers are counted; None: those given plainly
    games        None: ipd, and 12 symmetric games that tell kappa
    conditions   names of elicitation/conditions.toml; default: all
    progress     bars on standard error (default)
    options      fields of PersistencePlan (training.persistence): tune, aloud, traces, think, seed ...
    The page is `.report()`. Raises HominesError for an unknown spec or option, before a model is loaded.
    """

def population(
    *agents: str | Loaded | Policy | Preference,
    game: str | Game = 'ipd',
    frame: str | Frame = 'table',
    labels: Words | None = None,
    sigma: float | Sequence[float] = 0.0,
    out: str | Path | None = None,
    progress: bool = True,
    swap: bool = True,
    size: int = 100,
    selection: float = 0.1,
    precision: float | None = None,
    lapse: float = 0.0,
) -> PopulationResult:
    """Let agents meet in pairs and compute which of them spread, as `homines population` does.

    agents      two or more: models, by name or in memory; strategies and preferences, as texts or objects
    game        symmetric, of two players
    sigma       assortment, one or several
    out         folder with a run folder a model; None: one in runs/ for this game and these words
    progress    bars on standard error
    options     fields of PopulationPlan (populations.plan): size, selection, precision, lapse, swap
    The page is `.report()`. Raises HominesError for an unknown agent, two that are one, and a game of another
    form, before a model is loaded.
    """

def values(
    model: str | Loaded,
    outcomes: str | Path | None = None,
    *,
    kind: Words = (),
    pairs: str | int = 'few',
    labels: Words = ('A,B', 'X,Y'),
    ask: Words = 'outcomes',
    out: str | Path | None = None,
    budgets: Path | None = None,
    seed: int = 0,
    progress: bool = True,
) -> ValuesResult:
    """Ask a model choices between outcomes in words, as `homines values` does.

    outcomes   a file, CSV or JSON lines; None: 80 outcomes of this package, of five kinds
    kind       kinds of outcomes to ask; none named: all
    pairs      "few": three an outcome, chosen as answers come; "all"; or a number
    ask        outcomes, budgets, lotteries, delays: one or several
    out        run folder; None: one in runs/. What is answered there is not asked again
    budgets    a file of budgets; None: divisions between yourself and a stranger
    progress   bars on standard error (default)
    The page is `.report()`. Raises HominesError, which names the line, for a file that is none, before a
    model is loaded.
    """

altruist = _preferences_altruist
anti_deontological = _preferences_anti_deontological
anti_equality = _preferences_anti_equality
anti_kindness = _preferences_anti_kindness
anti_utilitarian = _preferences_anti_utilitarian
bfs = _preferences_bfs
charness_rabin = _preferences_charness_rabin
deontological = _preferences_deontological
economicus = _preferences_economicus
game_deontological = _preferences_game_deontological
inequity = _preferences_inequity
kantian = _preferences_kantian
lives = _preferences_lives
maximin = _preferences_maximin
moralis = _preferences_moralis
utilitarian = _preferences_utilitarian
virtue_equality = _preferences_virtue_equality
virtue_kindness = _preferences_virtue_kindness
virtue_mixed = _preferences_virtue_mixed

class frames:
    bare = _frames_bare
    bimatrix = _frames_bimatrix
    experiment = _frames_experiment
    market = _frames_market
    sentences = _frames_sentences
    story = _frames_story
    table = _frames_table
    under = _frames_under

class games:
    av = staticmethod(_games_av)
    av_rating = staticmethod(_games_av_rating)
    bos = staticmethod(_games_bos)
    commons_iterated = staticmethod(_games_commons_iterated)
    contract = staticmethod(_games_contract)
    dictator = staticmethod(_games_dictator)
    dilemma = staticmethod(_games_dilemma)
    duopoly = staticmethod(_games_duopoly)
    icd = staticmethod(_games_icd)
    icn = staticmethod(_games_icn)
    ipd = staticmethod(_games_ipd)
    ish = staticmethod(_games_ish)
    ivd = staticmethod(_games_ivd)
    mediator = staticmethod(_games_mediator)
    ordinal = staticmethod(_games_ordinal)
    pricing = staticmethod(_games_pricing)
    promise = staticmethod(_games_promise)
    public_goods = staticmethod(_games_public_goods)
    public_goods_iterated = staticmethod(_games_public_goods_iterated)
    public_goods_round = staticmethod(_games_public_goods_round)
    punishment = staticmethod(_games_punishment)
    reciprocity = staticmethod(_games_reciprocity)
    reputation = staticmethod(_games_reputation)
    spd = staticmethod(_games_spd)
    split = staticmethod(_games_split)
    symmetric = staticmethod(_games_symmetric)
    trust = staticmethod(_games_trust)
    trust_menu = staticmethod(_games_trust_menu)
    trust_return = staticmethod(_games_trust_return)
    ultimatum = staticmethod(_games_ultimatum)
    ultimatum_menu = staticmethod(_games_ultimatum_menu)

class opponents:
    alternator = _opponents_alternator
    always_cooperate = _opponents_always_cooperate
    always_defect = _opponents_always_defect
    axelrod = _opponents_axelrod
    conditional_contributor = _opponents_conditional_contributor
    extortion = _opponents_extortion
    generous_tit_for_tat = _opponents_generous_tit_for_tat
    grim = _opponents_grim
    linear_contributor = _opponents_linear_contributor
    memory_one = _opponents_memory_one
    nash = _opponents_nash
    qlearner = _opponents_qlearner
    random = _opponents_random
    tit_for_tat = _opponents_tit_for_tat
    two_tits_for_tat = _opponents_two_tits_for_tat
    undercut = _opponents_undercut
    win_stay_lose_shift = _opponents_win_stay_lose_shift

class preferences:
    altruist = _preferences_altruist
    anti_deontological = _preferences_anti_deontological
    anti_equality = _preferences_anti_equality
    anti_kindness = _preferences_anti_kindness
    anti_utilitarian = _preferences_anti_utilitarian
    bfs = _preferences_bfs
    charness_rabin = _preferences_charness_rabin
    deontological = _preferences_deontological
    economicus = _preferences_economicus
    game_deontological = _preferences_game_deontological
    inequity = _preferences_inequity
    kantian = _preferences_kantian
    lives = _preferences_lives
    maximin = _preferences_maximin
    moralis = _preferences_moralis
    utilitarian = _preferences_utilitarian
    virtue_equality = _preferences_virtue_equality
    virtue_kindness = _preferences_virtue_kindness
    virtue_mixed = _preferences_virtue_mixed
