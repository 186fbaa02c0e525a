"""Messages really sent, by apprise, to a server on loopback."""

import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.errors import VirtsnapError
from reconciler.service.delivery import AppriseDelivery
from reconciler.service.news import News, Topic
from reconciler.service.notifications import Notifier
from reconciler.service.outbox import Message
from reconciler.service.told import FILE_NAME, ToldFile
from tests.service.drawn import (
    CREATE,
    REVERT,
    STALLED,
    Time,
    domain,
    no_space,
    outcome,
    passed,
    plan,
    source,
)
from tests.service.http_server import listening
from tests.service.said import Said

REFUSED = domain(readiness=STALLED, reason="NoSpace", refusals=(no_space(),))
EVERYTHING = frozenset(Topic)


@dataclass
class Kept:
    """A delivery that keeps what it is given, and lets itself be held up."""

    sent: list[Message] = field(default_factory=list)
    may: threading.Event = field(default_factory=threading.Event)
    is_at_it: threading.Event = field(default_factory=threading.Event)

    def send(self, message: Message) -> None:
        """Keep it, when it may."""
        self.is_at_it.set()
        assert self.may.wait(60)
        self.sent.append(message)


def notifier(
    kept: Kept, folder: Path, topics: frozenset[Topic] = EVERYTHING, per_minute: int = 10
) -> Notifier:
    return Notifier(
        kept,
        topics=topics,
        told=ToldFile(folder),
        log=Said(),
        per_minute=per_minute,
        clock=Time().monotonic,
    )


def titles(kept: Kept) -> list[str]:
    return [message.title for message in kept.sent]


def test_nothing_is_told_twice_not_even_after_a_restart(tmp_path: Path) -> None:
    kept = Kept()
    kept.may.set()
    for _ in range(2):
        told = notifier(kept, tmp_path)
        told.domain_changed(None, REFUSED)
        told.domain_changed(REFUSED, REFUSED)
        told.source_changed(source(), source(None, "gone"))
        told.close()
    assert titles(kept) == ["web01 on local: refused", "/srv/snapshots: cannot be read"]
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600

    told = notifier(kept, tmp_path)
    told.domain_changed(REFUSED, domain())
    told.source_changed(source(None, "gone"), source())
    told.close()

    assert titles(kept)[2:] == ["web01 on local: ready again", "/srv/snapshots: read again"]


def test_a_revert_is_told_and_other_steps_are_not(tmp_path: Path) -> None:
    kept = Kept()
    kept.may.set()
    told = notifier(kept, tmp_path)
    for each in (CREATE, REVERT):
        told.step_started(plan(each), each)
        told.step_finished(plan(each), each, "", 1.0)
    told.domain_ended(outcome(), 1.0)
    told.pass_ended(passed())
    told.close()

    assert titles(kept) == ["web01 on local: reverted"]


def test_only_the_topics_that_were_chosen(tmp_path: Path) -> None:
    kept = Kept()
    kept.may.set()
    told = notifier(kept, tmp_path, topics=frozenset({Topic.HEALED}))
    told.domain_changed(None, REFUSED)
    told.domain_changed(REFUSED, domain())
    told.close()

    assert titles(kept) == ["web01 on local: ready again"]


def test_a_slow_service_keeps_nobody_waiting_and_the_rest_comes_as_a_number(tmp_path: Path) -> None:
    kept = Kept()
    told = notifier(kept, tmp_path, per_minute=2)
    told.domain_changed(None, REFUSED)
    assert kept.is_at_it.wait(60)
    for number in range(9):
        told.domain_changed(
            None, domain(f"db{number}", STALLED, reason="NoSpace", refusals=(no_space(),))
        )

    kept.may.set()
    told.close()

    assert titles(kept) == ["web01 on local: refused", "db0 on local: refused, and 8 more"]


def test_a_state_folder_that_is_full_is_no_reason_to_be_silent(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")
    kept, said = Kept(), Said()
    kept.may.set()
    told = Notifier(kept, topics=EVERYTHING, told=ToldFile(tmp_path / "state"), log=said)
    told.domain_changed(None, REFUSED)
    told.domain_changed(REFUSED, domain())
    told.close()

    assert len(kept.sent) == 2
    assert said.warnings == ["cannot write what was told"]


def message(topic: Topic = Topic.FAILED) -> Message:
    news = News(topic=topic, title="web01: failed", body="cannot\nhint: x")
    return Message(title=news.title, body=news.body, news=(news,))


def test_a_message_arrives_and_a_failure_is_logged_once(tmp_path: Path) -> None:
    said = Said()
    with listening() as server:
        place = server.url.removeprefix("http://")
        file = tmp_path / "notify"
        file.write_text(f"json://{place}/from-file\n")
        file.chmod(0o600)
        delivery = AppriseDelivery([f"json://user:hunter2@{place}/from-url"], file, log=said)
        server.answers = [(500, b""), (201, b""), (500, b"")]
        for topic in (Topic.FAILED, Topic.HELD, Topic.HEALED):
            delivery.send(message(topic))
        posted = server.wait_for(6)

    assert [p.path for p in posted] == ["/from-url", "/from-file"] * 3
    assert [p.body["type"] for p in posted[::2]] == ["failure", "warning", "success"]
    assert posted[0].body["title"] == "web01: failed"
    assert posted[0].body["message"] == "cannot\nhint: x"
    assert [event for _, event, _ in said.lines] == [
        "notification not sent",
        "notifications are sent again",
    ]
    assert "hunter2" not in repr(said.lines)


def test_bad_urls_are_told_without_them(tmp_path: Path) -> None:
    file = tmp_path / "notify"
    file.write_text("nonsense://hunter2@x\n")
    file.chmod(0o600)
    with pytest.raises(VirtsnapError) as of_url:
        AppriseDelivery(["json://localhost", "nonsense://hunter2@x"], None, log=Said())
    with pytest.raises(VirtsnapError) as of_file:
        AppriseDelivery(["json://localhost"], file, log=Said())
    file.chmod(0o644)
    with pytest.raises(VirtsnapError, match="everybody may read it"):
        AppriseDelivery([], file, log=Said())

    assert of_url.value.message.startswith("cannot notify by URL number 2")
    assert "no apprise configuration" in of_file.value.message
    assert "hunter2" not in of_url.value.message + of_file.value.message


def test_apprise_is_not_loaded_before_it_is_used() -> None:
    script = (
        "import sys, reconciler.service.notifications, reconciler.service.commit_status\n"
        "import reconciler.service.delivery, reconciler.cli.run_telling\n"
        "sys.exit('apprise' in sys.modules or 'requests' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
