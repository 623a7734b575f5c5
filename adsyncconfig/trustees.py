"""Who has the SIDs of entries: asked for in batches, each once, in the domain that issued them.

Rule 1: a SID of a domain of the forest that was reached exists when an object has it, or had it before
        (sIDHistory); of any other domain nothing is known.
Rule 2: what is well known, and built-in groups, always exist.
Rule 3: groups are worked out by the controller (tokenGroups), for one object at a time, when they are asked for.

Source: MS-ADTS 3.1.1.4.5.19 (tokenGroups).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from acl import AclError, Sid

from .directory import Directory, Entry
from .errors import DirectoryError
from .facts import DomainFacts, Trustee
from .filters import AnyOf, Equals
from .well_known import WELL_KNOWN_NAMES

__all__ = ["Trustees"]

#: How many SIDs one request asks for.
BATCH: Final = 50
_ATTRIBUTES: Final = ("objectSid", "sIDHistory", "sAMAccountName", "name", "objectClass")


class Trustees:
    """The trustees of one forest: call it with a SID, or ``learn`` many at once first."""

    def __init__(self, domains: Iterable[DomainFacts], reached: Mapping[str, Directory]) -> None:
        self._domains = {each.sid: each for each in domains if each.sid is not None}
        self._reached = reached
        self._known: dict[Sid, Trustee] = {}

    def __call__(self, sid: Sid) -> Trustee:
        """Who has the SID, with the groups that it is in."""
        self.learn([sid])
        found = self._known[sid]
        if found.dn is not None and found.groups is None:
            groups = self._groups(found)
            if groups is not None:
                found = self._known[sid] = found._replace(groups=groups)
        return found

    def is_own(self, sid: Sid) -> bool:
        """True for a SID that a domain of the forest issued, and which was reached."""
        domain = self._domains.get(sid.domain) if sid.domain is not None else None
        return domain is not None and domain.dns_name in self._reached

    def exists(self, sid: Sid) -> bool | None:
        """Whether somebody has the SID; None where that cannot be known."""
        self.learn([sid])
        return self._known[sid].exists

    def learn(self, sids: Iterable[Sid]) -> None:
        """Look up those of the SIDs that are not known yet."""
        by_domain: dict[Sid, list[Sid]] = {}
        for sid in dict.fromkeys(sids):
            if sid in self._known:
                continue
            name = WELL_KNOWN_NAMES.get(sid)
            if name is not None or sid.domain is None:
                self._known[sid] = Trustee(sid, name or str(sid), exists=True, groups=frozenset())
            elif self.is_own(sid):
                by_domain.setdefault(sid.domain, []).append(sid)
            else:
                self._known[sid] = Trustee(sid, str(sid))
        for domain_sid, wanted in by_domain.items():
            domain = self._domains[domain_sid]
            for start in range(0, len(wanted), BATCH):
                self._look_up(domain, wanted[start : start + BATCH])

    def _look_up(self, domain: DomainFacts, sids: list[Sid]) -> None:
        missing = dict.fromkeys(sids)
        prefix = domain.netbios_name or domain.dns_name
        try:
            # Few SIDs are somebody's former ones, and most need not be asked for.
            for attribute in ("objectSid", "sIDHistory"):
                for sid, entry in self._search(domain, attribute, list(missing)):
                    if sid in missing:
                        name = entry.text("sAMAccountName") or entry.text("name") or str(sid)
                        object_class = (entry.values("objectClass") or ("top",))[-1]
                        self._known[sid] = Trustee(sid, f"{prefix}\\{name}", True, entry.dn, object_class)
                        missing.pop(sid)
        except DirectoryError:
            self._known.update((sid, Trustee(sid, str(sid))) for sid in missing)
            return
        self._known.update((sid, Trustee(sid, str(sid), exists=False)) for sid in missing)

    def _search(self, domain: DomainFacts, attribute: str, sids: list[Sid]) -> Iterator[tuple[Sid, Entry]]:
        if not sids:
            return
        condition = AnyOf(tuple(Equals(attribute, str(sid)) for sid in sids))
        for entry in self._reached[domain.dns_name].search(domain.dn, condition, _ATTRIBUTES):
            for value in entry.attributes.get(attribute.lower(), ()):
                try:
                    yield Sid.from_bytes(value), entry
                except AclError:
                    continue

    def _groups(self, trustee: Trustee) -> frozenset[Sid] | None:
        domain = self._domains[trustee.sid.domain] if trustee.sid.domain else None
        if domain is None or trustee.dn is None:
            return None
        try:
            entry = self._reached[domain.dns_name].get(trustee.dn, ["tokenGroups"])
            return frozenset(map(Sid.from_bytes, entry.attributes.get("tokengroups", ())))
        except (DirectoryError, AclError):
            return None
