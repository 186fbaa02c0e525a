"""The one door to apprise, which knows how to reach a hundred services; loaded when it is used."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from reconciler.errors import VirtsnapError
from reconciler.service.guarded_files import secret_text
from reconciler.service.log import Log
from reconciler.service.news import Topic
from reconciler.service.outbox import Message

_BAD = {Topic.REFUSED, Topic.FAILED, Topic.LOST, Topic.SOURCE}


class Delivery(Protocol):
    """Sends one message to everybody."""

    def send(self, message: Message) -> None:
        """Never raises; ends in a bounded time."""


class AppriseDelivery:
    """Every URL of *urls* and of the apprise configuration in *file* gets every message.

    What is wrong with a URL is told without it: tokens are in it.  A service that fails is logged
    once, and once more when it works again.
    """

    def __init__(self, urls: Sequence[str], file: Path | None, *, log: Log) -> None:
        self._log = log
        self._targets = _targets(urls, file)
        self._failing: set[int] = set()

    def send(self, message: Message) -> None:
        """To one service after the other."""
        kind = _kind(message)
        for number, target in enumerate(self._targets, 1):
            try:
                is_sent = bool(
                    target.notify(title=message.title, body=message.body, notify_type=kind)
                )
            except Exception:  # a plugin of a hundred: whatever it does, the next one is told
                is_sent = False
            name = f"{target.service_name} (number {number})"
            if not is_sent and number not in self._failing:
                self._failing.add(number)
                self._log.warning("notification not sent", service=name)
            elif is_sent and number in self._failing:
                self._failing.discard(number)
                self._log.info("notifications are sent again", service=name)


def _kind(message: Message) -> str:
    topics = {news.topic for news in message.news}
    if topics & _BAD:
        return "failure"
    if Topic.HELD in topics:
        return "warning"
    return "success"


def _targets(urls: Sequence[str], file: Path | None) -> tuple[Any, ...]:
    import apprise

    # its warnings may hold what a server answered, or a URL
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    everybody = apprise.Apprise()
    for number, url in enumerate(urls, 1):
        if not everybody.add(url):
            raise VirtsnapError(
                f"cannot notify by URL number {number}: apprise does not know such a URL",
                hint="the URLs it knows: https://github.com/caronc/apprise/wiki",
            )
    if file is not None:
        config = apprise.AppriseConfig()
        is_read = config.add_config(secret_text(file)) and everybody.add(config)
        if not is_read or len(everybody) == len(urls):
            raise VirtsnapError(
                f"cannot notify as {file} says: it is no apprise configuration with a URL",
                hint="one URL a line, or: https://github.com/caronc/apprise/wiki/config",
            )
    return tuple(everybody)
