"""A place of work as an administrator has it: manifests, a libvirt, and the virtsnap command."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.guest import Guest, Lab
from tests.source.ageing import aged
from tests.system.forked import forker

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The output as JSON."""
        return json.loads(self.out)


@dataclass
class Site:
    """Manifests in a folder, state beside them, one throw-away libvirt."""

    lab: Lab
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    #: with its start-up, which costs more than most of what a test asks for
    is_started_anew: bool = False

    @property
    def manifests(self) -> Path:
        """The folder of the manifests."""
        path = self.folder / "manifests"
        path.mkdir(exist_ok=True)
        return path

    def command(self, *arguments: str) -> list[str]:
        """The words of a virtsnap command."""
        return [sys.executable, "-m", "reconciler.cli", *arguments]

    def surroundings(self) -> Mapping[str, str]:
        """The environment of a virtsnap command."""
        own = {
            "LIBVIRT_DEFAULT_URI": self.lab.daemon.uri,
            "VIRTSNAP_STATE_DIR": str(self.folder / "state"),
            "VIRTSNAP_RUNTIME_DIR": str(self.folder / "run"),
            "VIRTSNAP_LISTEN": "none",
            "NO_COLOR": "1",
            "PYTHONPATH": str(ROOT),
        }
        return {**os.environ, **own, **self.environment}

    def virtsnap(self, *arguments: str, text: str | None = None) -> Said:
        """Run virtsnap in the site's folder, with no terminal."""
        if not self.is_started_anew:
            done = forker().run(
                arguments, cwd=self.folder, env=self.surroundings(), text=text, timeout=300
            )
            return Said(done.returncode, done.stdout, done.stderr)
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.surroundings(),
            input=text,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start virtsnap and go on."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.surroundings(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def declare(self, guest: Guest | str, *snapshots: str | dict[str, Any], **spec: Any) -> Path:
        """Write the manifest of a domain; a snapshot is a name or a mapping."""
        name = guest if isinstance(guest, str) else guest.name
        wanted = [{"name": s} if isinstance(s, str) else s for s in snapshots]
        document = {
            "apiVersion": "virtsnap/v1",
            "kind": "DomainSnapshots",
            "metadata": {"name": name},
            "spec": {"snapshots": wanted, **spec},
        }
        path = self.manifests / f"{name}.yaml"
        path.write_text(json.dumps(document))
        aged(path)
        return path

    def apply(self, *arguments: str) -> Said:
        """``apply`` with a person's consent; shows what it said when it did not end well."""
        said = self.virtsnap("apply", "--auto-approve", *arguments)
        assert said.code == 0, said.out + said.err
        return said

    def planned(self, guest: Guest | str, *arguments: str) -> Any:
        """The plan of one domain, as a document."""
        said = self.virtsnap("plan", "-o", "json", *arguments)
        assert said.code == 0, said.err
        name = guest if isinstance(guest, str) else guest.name
        return next(d for d in said.document["domains"] if d["domain"] == name)

    def refuses(self, guest: Guest | str, *arguments: str) -> Any:
        """``apply`` does nothing on the only domain, with exit code 5; the one refusal it has."""
        said = self.virtsnap("apply", "--auto-approve", "-o", "json", *arguments)
        assert said.code == 5, said.out + said.err
        domain = self.planned(guest, *arguments)
        assert not domain["steps"], domain["steps"]
        assert len(domain["refusals"]) == 1, domain["refusals"]
        assert domain["refusals"][0]["hint"]
        return domain["refusals"][0]

    def is_in_sync(self) -> bool:
        """``plan --detailed-exitcode`` finds nothing to do and nothing refused."""
        return self.virtsnap("plan", "--detailed-exitcode").code == 0
