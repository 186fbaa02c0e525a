"""When windows are open: cron schedules in their time zones, and times of any zone.

A window is open from its opening (included) for its duration in real time, whatever the clock does
meanwhile.  As Debian's cron does it: an opening in the hour that a change of clock leaves out is
moved behind it, one in the hour that comes twice is the first of the two.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cronsim import CronSim

from reconciler.model.desired import Window

#: Local clocks jump back by less: looking for openings from so much later misses none.
_MARGIN = timedelta(hours=3)
_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


def closing(windows: tuple[Window, ...], now: datetime) -> datetime | None:
    """When the last of the windows that are open now closes; None when none is open."""
    ends = (_last_opening(window, now) + window.duration for window in windows)
    return max((end for end in ends if end > now), default=None)


def next_opening(windows: tuple[Window, ...], now: datetime) -> datetime | None:
    """The first opening after *now*, in the zone of its window; None when there is none."""
    found = [opening for window in windows for opening in _openings_after(window, now)]
    # two times of one zone would be compared by their hands, not by the moment
    return min(found, key=datetime.timestamp, default=None)


def _last_opening(window: Window, now: datetime) -> datetime:
    """The last opening up to *now*, in UTC; long ago when there was none."""
    start = (now + _MARGIN).astimezone(window.zone)
    openings = (each.astimezone(UTC) for each in CronSim(_cron(window), start, reverse=True))
    return next((opening for opening in openings if opening <= now), _NEVER)


def _openings_after(window: Window, now: datetime) -> Iterator[datetime]:
    """The first opening after *now*, if any."""
    start = now.astimezone(window.zone)
    for opening in CronSim(_cron(window), start):
        if opening.astimezone(UTC) > now:
            yield opening
            return


def _cron(window: Window) -> str:
    return _NICKNAMES.get(window.schedule, window.schedule)


_NEVER = datetime.min.replace(tzinfo=UTC)
