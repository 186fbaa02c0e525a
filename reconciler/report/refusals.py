"""What a refusal says to people: sentence, next command, explanation."""

from dataclasses import dataclass

from reconciler.model.refusal import Refusal, RefusalCode
from reconciler.report.phrase import filled
from reconciler.report.refusal_words import WORDS, Words
from reconciler.report.units import size


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A refusal in words; *message* reads ``cannot …: …``, *hint* is what to do next."""

    code: RefusalCode
    message: str
    hint: str


def explained(refusal: Refusal, *, domain: str, manifest: str | None = None) -> Explained:
    """The words for *refusal*, met in the plan of *domain*.

    The fact ``way`` is a better hint than that of the code, with the same gaps.
    """
    words = WORDS[refusal.code]
    facts = _facts(refusal, domain=domain, manifest=manifest)
    return Explained(
        code=refusal.code,
        message=filled(words.sentence, facts),
        hint=filled(facts.get("way") or words.hint, facts),
    )


def _facts(refusal: Refusal, *, domain: str, manifest: str | None) -> dict[str, str]:
    """The facts of the case, and those of where it stands; what the planner says goes first."""
    facts = {"domain": domain, "snapshot": refusal.snapshot or "", "manifest": manifest or ""}
    facts |= {name: value for name, value in refusal.facts if value}
    facts["manifest"] = facts["manifest"] or "the manifest"
    for name, other in (("image", "path"), ("reader", "readers"), ("readers", "reader")):
        facts[name] = facts.get(name) or facts.get(other, "")
    if facts.get("kind") == "snapshot":
        facts["adoptable"] = facts["reader"]
    for name in ("need", "free", "whole"):
        if facts.get(name, "").isdecimal():
            facts[name] = size(int(facts[name]))
    of_domain = f"{facts['snapshot']} of {facts['domain']}"
    facts["thing"] = of_domain if facts["snapshot"] else facts["domain"]
    disk = facts.get("disk") or "the disks"
    facts["work"] = f"work on {disk} of {facts['domain']}"
    if facts.get("act"):
        on = f" with {facts['disk']}" if facts.get("disk") else ""
        facts["work"] = f"{facts['act']} {facts['thing']}{on}"
    return facts


def words_of(code: RefusalCode) -> Words:
    """The sentence, hint and explanation of *code*, with their gaps; for the reference page."""
    return WORDS[code]
