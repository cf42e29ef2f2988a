"""Staying: each interval is lived as soon as it is ready, in one session, until the pipeline's end or until stopped.

What was done is told by the ledger alone, as in every other run: whatever ends a session, the next one goes on there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from perdure.core import schedule
from perdure.core.errors import NotThereYet
from perdure.core.interval import Interval

from .context import Context
from .flow import Session
from .owed import owed

# So many seconds pass between looking for what is ready.
LOOK_AGAIN = 5.0


def follow(context: Context, nap: Callable[[float], object], clock: Callable[[], datetime] = schedule.now,
           stopped: Callable[[Session], object] = lambda _: None) -> Iterator[Session]:
    """Lives what is ready, and gives the session each time that something was done; then waits for the next interval,
    or for the files of one that is ready, saying so once. Ends after the pipeline's last interval. `nap` waits so many
    seconds. Whatever ends it in the middle of a round: `stopped` gets that round's session, where it did something."""
    told = ""
    while True:
        session, missing = Session(context), ""
        try:
            session.live(owed(context.pipeline, context.ledger, clock()))
        except NotThereYet as error:
            missing = f"waiting: {error}"
        except BaseException:
            if session.tally.done:
                stopped(session)
            raise
        if session.tally.done:
            yield session
        waiting = missing or _awaited(context, clock())
        if not waiting:
            return
        if waiting != told:
            context.progress.say(waiting)
        told = waiting
        nap(LOOK_AGAIN)


def _awaited(context: Context, now: datetime) -> str:
    """Which interval is the next, and when it is ready; empty after the pipeline's end."""
    pipeline = context.pipeline
    last = schedule.latest_ready(pipeline, now)
    following = last.next if last else Interval.containing(pipeline.start, pipeline.interval)
    if pipeline.end is not None and following.end > pipeline.end:
        return ""
    return f"waiting for {following}, ready at {schedule.ready_at(pipeline, following):%Y-%m-%d %H:%M:%S} UTC"
