"""What the package offers, for editors and type checkers: made by `python -m homines.offered`."""

from types import ModuleType

from homines.api import align as align
from homines.api import load as load
from homines.api import measure as measure
from homines.api import report as report
from homines.preferences.altruist import Altruist as altruist
from homines.preferences.anti_deontological import AntiDeontological as anti_deontological
from homines.preferences.anti_equality import AntiEquality as anti_equality
from homines.preferences.anti_kindness import AntiKindness as anti_kindness
from homines.preferences.anti_utilitarian import AntiUtilitarian as anti_utilitarian
from homines.preferences.bfs import Bfs as bfs
from homines.preferences.charness_rabin import CharnessRabin as charness_rabin
from homines.preferences.deontological import Deontological as deontological
from homines.preferences.economicus import Economicus as economicus
from homines.preferences.game_deontological import GameDeontological as game_deontological
from homines.preferences.inequity import Inequity as inequity
from homines.preferences.kantian import Kantian as kantian
from homines.preferences.lives import Lives as lives
from homines.preferences.maximin import Maximin as maximin
from homines.preferences.moralis import Moralis as moralis
from homines.preferences.utilitarian import Utilitarian as utilitarian
from homines.preferences.virtue_equality import VirtueEquality as virtue_equality
from homines.preferences.virtue_kindness import VirtueKindness as virtue_kindness
from homines.preferences.virtue_mixed import VirtueMixed as virtue_mixed

__version__: str
__all__: list[str]

class Shelf(ModuleType): ...

class frames:
    from homines.frames.bare import Bare as bare
    from homines.frames.market import Market as market
    from homines.frames.sentences import Sentences as sentences
    from homines.frames.story import Story as story
    from homines.frames.table import Table as table

class games:
    from homines.games.av import av as av
    from homines.games.bos import bos as bos
    from homines.games.dictator import dictator as dictator
    from homines.games.dilemma import dilemma as dilemma
    from homines.games.icd import icd as icd
    from homines.games.icn import icn as icn
    from homines.games.ipd import ipd as ipd
    from homines.games.ish import ish as ish
    from homines.games.ivd import ivd as ivd
    from homines.games.ordinal import ordinal as ordinal
    from homines.games.pricing import pricing as pricing
    from homines.games.public_goods import public_goods as public_goods
    from homines.games.reciprocity import reciprocity as reciprocity
    from homines.games.spd import spd as spd
    from homines.games.split import split as split
    from homines.games.symmetric import symmetric as symmetric
    from homines.games.trust import trust as trust
    from homines.games.trust_menu import trust_menu as trust_menu
    from homines.games.trust_return import trust_return as trust_return
    from homines.games.ultimatum import ultimatum as ultimatum
    from homines.games.ultimatum_menu import ultimatum_menu as ultimatum_menu

class opponents:
    from homines.opponents.always_cooperate import AlwaysCooperate as always_cooperate
    from homines.opponents.always_defect import AlwaysDefect as always_defect
    from homines.opponents.axelrod import Axelrod as axelrod
    from homines.opponents.extortion import Extortion as extortion
    from homines.opponents.generous_tit_for_tat import GenerousTitForTat as generous_tit_for_tat
    from homines.opponents.grim import Grim as grim
    from homines.opponents.memory_one import MemoryOne as memory_one
    from homines.opponents.nash import Nash as nash
    from homines.opponents.qlearner import Qlearner as qlearner
    from homines.opponents.random import Random as random
    from homines.opponents.tit_for_tat import TitForTat as tit_for_tat
    from homines.opponents.undercut import Undercut as undercut
    from homines.opponents.win_stay_lose_shift import WinStayLoseShift as win_stay_lose_shift

class preferences:
    from homines.preferences.altruist import Altruist as altruist
    from homines.preferences.anti_deontological import AntiDeontological as anti_deontological
    from homines.preferences.anti_equality import AntiEquality as anti_equality
    from homines.preferences.anti_kindness import AntiKindness as anti_kindness
    from homines.preferences.anti_utilitarian import AntiUtilitarian as anti_utilitarian
    from homines.preferences.bfs import Bfs as bfs
    from homines.preferences.charness_rabin import CharnessRabin as charness_rabin
    from homines.preferences.deontological import Deontological as deontological
    from homines.preferences.economicus import Economicus as economicus
    from homines.preferences.game_deontological import GameDeontological as game_deontological
    from homines.preferences.inequity import Inequity as inequity
    from homines.preferences.kantian import Kantian as kantian
    from homines.preferences.lives import Lives as lives
    from homines.preferences.maximin import Maximin as maximin
    from homines.preferences.moralis import Moralis as moralis
    from homines.preferences.utilitarian import Utilitarian as utilitarian
    from homines.preferences.virtue_equality import VirtueEquality as virtue_equality
    from homines.preferences.virtue_kindness import VirtueKindness as virtue_kindness
    from homines.preferences.virtue_mixed import VirtueMixed as virtue_mixed
