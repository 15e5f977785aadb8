"""Expiring sets and maps in plain Python, one key at a time: what the real ones must answer."""

from typing import Any

WINDOW, PARTS, PART = 80, 8, 10  # seconds; 10 s are a part


class FakeClock:
    """A clock that a test sets."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def gone_at(time: float) -> float:
    """When a key of this time is dropped: a window after the end of its part."""
    return (time // PART + 1) * PART + WINDOW


class SetModel:
    """``times`` has the time of each key."""

    def __init__(self, clock: FakeClock, renew: bool) -> None:
        self.clock, self.renew = clock, renew
        self.latest = clock.now
        self.times: dict[Any, float] = {}

    def turn(self) -> float:
        self.latest = now = max(self.latest, self.clock.now)
        self.times = {key: time for key, time in self.times.items() if now < gone_at(time)}
        return now

    def add(self, key: Any, at: float | None) -> bool:
        now = self.turn()
        time = now if at is None else at
        if now >= gone_at(time):
            return False
        if key in self.times:
            if self.renew:
                self.times[key] = max(self.times[key], time)
            return False
        self.times[key] = time
        return True

    def keys(self) -> set[Any]:
        self.turn()
        return set(self.times)


class MapModel:
    """``events`` has the time and the amount of all that a key consists of."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.latest = clock.now
        self.events: dict[Any, list[tuple[float, int]]] = {}

    def turn(self) -> float:
        self.latest = now = max(self.latest, self.clock.now)
        live = {key: [one for one in events if now < gone_at(one[0])] for key, events in self.events.items()}
        self.events = {key: events for key, events in live.items() if events}
        return now

    def write(self, key: Any, amount: int, at: float | None, *, add: bool) -> int:
        now = self.turn()
        time = now if at is None else at
        if now < gone_at(time):
            self.events[key] = [*(self.events.get(key, []) if add else []), (time, amount)]
        return self.value(key, 0)

    def value(self, key: Any, default: Any) -> Any:
        self.turn()
        return sum(amount for _, amount in self.events[key]) if key in self.events else default

    def entries(self) -> int:
        """How many parts have a key, for all keys."""
        self.turn()
        return sum(len({time // PART for time, _ in events}) for events in self.events.values())

    def items(self) -> dict[Any, int]:
        self.turn()
        return {key: self.value(key, 0) for key in self.events}
