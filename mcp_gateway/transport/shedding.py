"""More work than the processor can do: which requests are refused so that the others stay quick. Pure but for its clock.

The sign is how late the event loop comes back to a timer because it worked, which every request waits for too.
Slow upstreams and idle streams do not show in it, nor do other programs that have the processor: refusing
requests would not bring it back. A pause is none either, nor a burst: late for the better part of a second while
requests keep coming, it lets in a little less than was finished in the last tenth of it, the less the later it
is, and more again as soon as it is not late. Everybody gets up to one level,
the highest at which the sum fits (max-min fairness), so whoever sends most is refused first, and whoever sends
little is not refused at all.

While nobody is refused, a request costs one comparison and one addition.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Hashable

log = logging.getLogger(__name__)

WINDOW_TICKS = 5
TICK_SECONDS = 0.02
PATIENCE_SECONDS = 0.012
"""How late the loop may be on average: half of what a request waits for its turn, and it waits two or three times."""
SUSTAINED_SECONDS = 0.8
"""A refused call is worse than one that waits a moment: files are read anew, and agents begin together."""
ENOUGH_REQUESTS = 5
"""In a window. With fewer, it is not requests that keep the loop."""
REFUSALS_PER_SECOND = 1_000.0
"""A refusal costs a fifth of a call; more of them must not take the processor from the calls."""
_LONGEST_REFUSAL_SECONDS = 2.0
_LESS = 0.95
_LESS_PER_SECOND_LATE = 1.5
_LEAST = 0.5
"""Of what is let in from one window to the next: what takes long upstream is not finished yet, and no reason for less."""
_MORE = 1.03
_MORE_AT_REST = 1.12
"""While the loop is hardly late, so that what was taken too much comes back within a second."""
_FEWEST_PER_SECOND = 100.0
_FEWEST_SHARE = 0.4
_PEAK_KEPT = 0.98
"""Of what could be finished in the best window, forgotten slowly: a burst is no reason to serve nearly nobody."""
_BURST_SECONDS = 0.003
_BORROWED_SECONDS = 0.02
_CALM_WINDOWS = 10
_PATIENCE_LEFT = 0.5
"""Of it, once requests are refused: those that are let in are to be about as quick as on a calm day."""
_FADING = 0.7
"""Of what somebody asked for, from one window to the next."""
_MODEST = 0.5
"""Of the level. Who asks for more competes with the others; all of them borrowing at once would be a storm again."""
_WINDOW_SECONDS = WINDOW_TICKS * TICK_SECONDS


class Shedding:
    """One per process. `tick` is called every `TICK_SECONDS`; `admits` for each request while `tight`."""

    __slots__ = (
        "_asked",
        "_before",
        "_calm",
        "_choked_since",
        "_clock",
        "_late_sum",
        "_level",
        "_modest",
        "_patience",
        "_peak",
        "_refilled_at",
        "_refused",
        "_refused_until",
        "_ticks",
        "_tokens",
        "_used",
        "_window_began",
        "entered",
        "finished",
        "rate",
        "refused",
        "tight",
        "turned_away",
    )

    def __init__(
        self, *, patience_seconds: float = PATIENCE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._patience = patience_seconds
        self._clock = clock
        self.tight = False
        """Requests are refused, or were a moment ago."""
        self.entered = 0
        """Requests let in, in this window; whoever lets them in counts them."""
        self.finished = 0
        """Requests that were let in at some time and are over, in this window."""
        self.refused = 0
        """Requests refused so far."""
        self.turned_away: dict[Hashable, int] = {}
        """How many of each sender; whoever puts them on record takes them out."""
        self.rate = float("inf")
        """Requests let in per second while tight."""
        self._ticks = 0
        self._late_sum = self._peak = 0.0
        self._choked_since: float | None = None
        self._window_began = self._refilled_at = clock()
        self._tokens = 0.0
        self._refused = self._calm = 0
        self._refused_until = 0.0
        self._level = float("inf")
        """Requests per second of one principal, at most."""
        self._asked: dict[Hashable, int] = {}
        self._used: dict[Hashable, int] = {}
        self._modest = 0.0
        """Requests per second, below which a principal is no part of the storm."""
        self._before: dict[Hashable, float] = {}
        """Requests per second of each, lately."""

    def admits(self, who: Hashable) -> bool:
        """Whether a request of `who` is let in now; only while tight."""
        now = self._clock()
        burst = max(self.rate * _BURST_SECONDS, 1.0)
        self._tokens = min(burst, self._tokens + (now - self._refilled_at) * self.rate)
        self._refilled_at = now
        self._asked[who] = self._asked.get(who, 0) + 1
        used = self._used.get(who, 0)
        if used >= self._level * max(now - self._window_began, _WINDOW_SECONDS) or self._tokens < self._floor(who):
            self._refused += 1
            self.turn_away(who)
            return False
        self._tokens -= 1
        self._used[who] = used + 1
        return True

    def turn_away(self, who: Hashable) -> None:
        """A request of `who` is refused, whichever bound it met."""
        self.refused += 1
        self.turned_away[who] = self.turned_away.get(who, 0) + 1

    def _floor(self, who: Hashable) -> float:
        """Whoever asks for less than the level has its part for sure, so it need not wait for those who ask for more."""
        modest = self._before.get(who, 0.0) < self._modest
        return -self.rate * _BORROWED_SECONDS if modest else 1.0

    def refusal_pause(self) -> float:
        """Seconds to keep a refusal back. A client that asks again at once is slowed, and the processor is spared."""
        now = self._clock()
        self._refused_until = max(now, self._refused_until) + 1 / REFUSALS_PER_SECOND
        return min(self._refused_until - now, _LONGEST_REFUSAL_SECONDS)

    def tick(self, late: float) -> None:
        """`late`: seconds the loop worked on beyond `TICK_SECONDS` without a look at its timers."""
        self._late_sum += late
        self._ticks += 1
        if self._ticks == WINDOW_TICKS:
            self._judge(self._late_sum / WINDOW_TICKS)
            self._ticks, self._late_sum = 0, 0.0

    def _judge(self, late: float) -> None:
        now = self._clock()
        seconds = max(now - self._window_began, TICK_SECONDS)
        choked = 0 < self._patience * (_PATIENCE_LEFT if self.tight else 1.0) < late
        self._peak = max(self._peak * _PEAK_KEPT, self.finished / seconds)
        if not self.tight:
            if self._lasts(now, choked=choked):
                self._tighten(seconds, late)
        elif choked:
            self._calm = 0
            self._slow_down(seconds, late)
        else:
            self.rate *= _MORE_AT_REST if late < self._patience / 4 else _MORE
            self._calm = 0 if self._refused else self._calm + 1
            if self._calm >= _CALM_WINDOWS:
                self._relax()
        if self._asked:
            self._level = level(self._asked.values(), self.rate * seconds) / seconds
            # Where all fit, there is no level, and a storm may only have drawn breath.
            self._modest = _MODEST * min(self._level, self.rate / len(self._asked))
        self._before = self._remembered(seconds)
        self._asked, self._used = {}, {}
        self._window_began, self.entered, self._refused = now, 0, 0
        self.finished = 0

    def _remembered(self, seconds: float) -> dict[Hashable, float]:
        """Some of what was before counts too: a crowd that waits for its refusals looks modest for a moment."""
        found = {who: asked / seconds for who, asked in self._asked.items()}
        for who, before in self._before.items():
            if before >= 1.0:
                found[who] = max(found.get(who, 0.0), before * _FADING)
        return found

    def _lasts(self, now: float, *, choked: bool) -> bool:
        """Whether requests have kept the loop for long enough."""
        if not choked or self.entered < ENOUGH_REQUESTS:
            self._choked_since = None
            return False
        if self._choked_since is None:
            self._choked_since = self._window_began
        return now - self._choked_since >= SUSTAINED_SECONDS

    def _slow_down(self, seconds: float, late: float) -> None:
        part = max(_LESS - _LESS_PER_SECOND_LATE * late, _LEAST)
        finished = max(self.finished / seconds * part, self._peak * _FEWEST_SHARE)
        self.rate = max(min(finished, self.rate), self.rate * _LEAST, _FEWEST_PER_SECOND)

    def _tighten(self, seconds: float, late: float) -> None:
        self.tight = True
        self._choked_since = None
        self.rate = self.entered / seconds
        self._slow_down(seconds, late)
        self._calm = 0
        self._tokens, self._refilled_at = 0.0, self._clock()
        log.warning(
            "more requests than can be served: %.0f ms late; above %.0f a second they are refused",
            1000 * late,
            self.rate,
        )

    def _relax(self) -> None:
        self.tight = False
        self.rate = self._level = float("inf")
        self._modest = 0.0
        self._asked.clear()
        self._before.clear()
        log.info("every request is served again; %d were refused since the start", self.refused)


def level(asked: Collection[int], budget: float) -> float:
    """The highest level at which everybody's `asked`, cut at it, sum up to no more than `budget`; at least 1."""
    left, others = budget, len(asked)
    for wanted in sorted(asked):
        if wanted * others >= left:
            return max(left / others, 1.0)
        left -= wanted
        others -= 1
    return float("inf")
