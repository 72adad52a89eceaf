"""A plan: what is paid, and which faults strike when. A seed draws one; as text it can be kept and replayed."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

PROVIDERS = ("billcenter", "ubill", "mtn")
DRAIN_S = 120.0  # after the weather has cleared, everything is final or parked within this
EVERY_S = 2.0  # a strike begins so often, by the mean
_TRIES = 20  # to place a strike where it gets in no other's way
_LEAST_S = 100.0  # in shorter weather nothing else would strike beside what strikes alone


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault: when it begins, counted from the first payment, what it strikes, and how long it lasts.

    value: what else its kind needs to know, e.g. a rate; no blanks.
    """

    at_s: float
    kind: str
    where: str
    length_s: float = 0.0
    value: str = ""

    @property
    def text(self) -> str:
        """The strike as a line: seconds, kind, where, length, value."""
        return f"{self.at_s:6.1f} {self.kind} {self.where} {self.length_s:.1f} {self.value}".rstrip()


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. payments: intents that are put on the queue, evenly over weather_s. settings: beside the usual short
    ones, without the prefix. lean: no second dispatcher, relay, beat and intake, and no jobs.
    drain_s: how long it may take after the weather until everything is final or parked."""

    seed: int
    weather_s: float
    payments: int
    providers: tuple[str, ...] = PROVIDERS
    strikes: tuple[Strike, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    lean: bool = False
    drain_s: float = DRAIN_S


@dataclass(frozen=True, slots=True)
class Draws:
    """How a kind of strike is drawn. places: (where, value) for these providers.

    keys: what it takes for itself while it lasts: no two strikes with a key in common overlap.
    weight: how often it comes while others come once. alone: nothing else strikes from lead_s before it until rest_s
    after it, and it comes once in a plan that is long enough for it.
    """

    places: Callable[[random.Random, Sequence[str]], tuple[str, str]]
    shortest_s: float = 0.0
    longest_s: float = 0.0
    keys: Callable[[str], Sequence[str]] = lambda where: (where,)
    rest_s: float = 0.0  # after it, before the next one with such a key
    weight: int = 1
    lead_s: float = 0.0  # before it, after the last one with such a key
    alone: bool = False


def draw(
    seed: int,
    weather_s: float,
    payments: int,
    kinds: Mapping[str, Draws],
    *,
    providers: Sequence[str] = PROVIDERS,
    strikes: int | None = None,
    **options: object,
) -> Plan:
    """The plan of a seed: the same for the same arguments. Each kind comes as often as it weighs, then all come again.

    strikes: how many; by the time where it is not given. options: further fields of the plan.
    """
    rng = random.Random(seed)
    count = strikes if strikes is not None else round(weather_s / EVERY_S)
    drawn: list[Strike] = []
    pack: list[str] = []
    for _ in range(count if kinds else 0):
        if not pack:
            pack = [kind for kind in sorted(kinds) for _ in range(kinds[kind].weight)]
            rng.shuffle(pack)
            pack.sort(key=lambda kind: kinds[kind].alone)  # while there is room
        kind = pack.pop()
        if kinds[kind].alone and (drawn or weather_s < _LEAST_S):
            continue
        placed = _placed(rng, kind, kinds, others=drawn, weather_s=weather_s, providers=providers)
        drawn += [placed] if placed else []
    drawn.sort(key=lambda strike: strike.at_s)
    return Plan(seed, weather_s, payments, tuple(providers), tuple(drawn), **options)  # type: ignore[arg-type]


def _placed(
    rng: random.Random,
    kind: str,
    kinds: Mapping[str, Draws],
    *,
    others: Sequence[Strike],
    weather_s: float,
    providers: Sequence[str],
) -> Strike | None:
    draws = kinds[kind]
    for _ in range(_TRIES):
        where, value = draws.places(rng, providers)
        length_s = round(rng.uniform(draws.shortest_s, draws.longest_s), 1)
        end_s = weather_s - length_s - (draws.rest_s if draws.alone else 0)
        at_s = round(rng.uniform(0.5, max(end_s, 0.6)), 1)
        strike = Strike(at_s, kind, where, length_s, value)
        if not any(_in_the_way(strike, other, kinds) for other in others):
            return strike
    return None


def _in_the_way(one: Strike, other: Strike, kinds: Mapping[str, Draws]) -> bool:
    first, second = kinds[one.kind], kinds[other.kind]
    if not (first.alone or second.alone) and not set(first.keys(one.where)) & set(second.keys(other.where)):
        return False
    ends_s, other_ends_s = one.at_s + one.length_s + first.rest_s, other.at_s + other.length_s + second.rest_s
    return one.at_s - first.lead_s < other_ends_s and other.at_s - second.lead_s < ends_s


def with_strikes(plan: Plan, strikes: Sequence[Strike]) -> Plan:
    """The same run with these faults."""
    return replace(plan, strikes=tuple(strikes))


def written(strikes: Sequence[Strike]) -> str:
    """Strikes as text, a line each."""
    return "\n".join(strike.text for strike in strikes)


def read(text: str) -> tuple[Strike, ...]:
    """What `written` wrote; empty lines and those that begin with # are passed over. Raises ValueError."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            at, kind, where, length, *value = words
            found.append(Strike(float(at), kind, where, float(length), value[0] if value else ""))
    return tuple(found)
