"""Connector accounts in privileged groups, and how an account leaves a group: pure.

Rule 1: a group is privileged when AdminSDHolder protects its members, or it rules the forest's name servers
        (DnsAdmins runs code on domain controllers).
Rule 2: of groups that are in one another the innermost is told, which the account is in by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from acl import Sid

from .excess_rules import PRIVILEGED_GROUP
from .expected import NAMES
from .facts import AccountFacts, AuditContext, ContextCheck
from .findings import Finding
from .mend_lines import remove_member
from .tier0 import PROTECTED_RIDS, PROTECTED_SIDS

__all__ = ["CHECKS", "NAMES", "RULES", "leave_group"]

_NAME_SERVERS: Final = "dnsadmins"
_BUILTIN: Final = "BUILTIN\\"


def _privileged(context: AuditContext) -> Iterator[Finding]:
    """The privileged groups that each account is in."""
    for facts in context.accounts:
        groups = _groups(facts)
        privileged = [sid for sid in groups if _is_privileged(context, sid)]
        for sid in privileged:
            # Told by the group that it is in this one through.
            if any(sid in (context.trustee(each).groups or ()) for each in privileged if each != sid):
                continue
            name = context.name(sid)
            mend, advice = leave_group(context, facts, sid)
            yield Finding(
                PRIVILEGED_GROUP,
                facts.dn,
                f"{facts.name} is a member of {name}{_path(context, groups, sid)}",
                account=facts.name,
                trustee=name,
                mend=mend,
                advice=advice,
            )


def _groups(facts: AccountFacts) -> frozenset[Sid]:
    """The groups that the account is in, in its own domain."""
    token = facts.tokens.get(facts.domain)
    return frozenset() if token is None else token.sids - {facts.sid}


def _is_privileged(context: AuditContext, sid: Sid) -> bool:
    if sid in PROTECTED_SIDS:
        return True
    own = any(domain.sid is not None and sid.domain == domain.sid for domain in context.domains)
    if not own:
        return False
    return sid.rid in PROTECTED_RIDS or context.name(sid).casefold().rpartition("\\")[2] == _NAME_SERVERS


def _between(context: AuditContext, groups: frozenset[Sid], sid: Sid) -> list[Sid]:
    """The account's groups that are in this one."""
    found = [each for each in groups if each != sid and sid in (context.trustee(each).groups or ())]
    return sorted(found, key=str)


def _path(context: AuditContext, groups: frozenset[Sid], sid: Sid) -> str:
    between = _between(context, groups, sid)
    return f", through {' and '.join(map(context.name, between))}" if between else ""


def leave_group(context: AuditContext, facts: AccountFacts, sid: Sid) -> tuple[str | None, str | None]:
    """The command that takes the account out of the group, and what to do in words.

    Where it is in it through others, out of the one that it is in by itself; of several, in words alone.
    """
    groups = _groups(facts)
    between = _between(context, groups, sid)
    direct = [each for each in between if not _between(context, groups, each)] if between else [sid]
    names = " and ".join(map(context.name, direct))
    if len(direct) > 1:
        return None, f"take {facts.name} out of {names}, each of which is in {context.name(sid)}"
    dn = _dn(context, facts, direct[0])
    advice = None
    if between:
        advice = f"{names} is in {context.name(sid)}: consider whether that is meant"
    if dn is None:
        return None, f"take {facts.name} out of {names}"
    return remove_member(dn, facts.dn), advice


def _dn(context: AuditContext, facts: AccountFacts, sid: Sid) -> str | None:
    trustee = context.trustee(sid)
    if trustee.dn is not None:
        return trustee.dn
    domain = context.domain(facts.domain)
    if domain is None or sid.domain is not None or not trustee.name.startswith(_BUILTIN):
        return None
    return f"CN={trustee.name.removeprefix(_BUILTIN)},CN=Builtin,{domain.dn}"


RULES: Final = (PRIVILEGED_GROUP,)
CHECKS: Final = (ContextCheck(RULES, _privileged),)
