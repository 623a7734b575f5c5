"""What connector accounts hold on AdminSDHolder, and so on every protected account and group: rules, pure.

Rule 1: only what is in effect there counts: the list is copied as it is, so that inherit-only entries never do
        (docs/decisions/0005).
Rule 2: an entry hands protected objects over when it gives control of a user or a group, or the members of one;
        that is told whatever grants it. What a feature writes there of single attributes is as it should be.

Source: MS-ADTS 3.1.1.6.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from acl import DIRECTORY_MAPPING

from .excess_rules import ADMIN_SD_HOLDER, ADMIN_SD_HOLDER_ATTRIBUTES
from .expected import NAMES, beyond, known_in, powers_in
from .facts import AccountFacts, AuditContext, ContextCheck, SeenObject
from .findings import Finding, Power
from .holdings import READING, entries_of, through, token_of
from .mend_steps import remove_rights
from .powers import widest
from .rules_groups import leave_group
from .words import rights_in_words

__all__ = ["CHECKS", "NAMES", "RULES"]

_PROTECTED: Final = ("user", "group")
_CONTROL: Final = frozenset({"write-members", "write-everything", "every-extended-right"})


def _look(context: AuditContext) -> Iterator[Finding]:
    """What each account holds on the AdminSDHolder of each domain."""
    for domain in context.domains:
        seen = domain.admin_sd_holder
        if seen is not None:
            for facts in context.accounts:
                yield from _of_account(context, seen, facts)


def _of_account(context: AuditContext, seen: SeenObject, facts: AccountFacts) -> Iterator[Finding]:
    entries = [ace for ace in entries_of(facts, seen) if ace.is_effective]
    if not entries or seen.descriptor is None:
        return
    powers = powers_in(context)
    alone = replace(seen.descriptor, owner=None)
    token = token_of(facts, seen.domain)
    held = {each.ability.id for name in _PROTECTED for each in powers.held(alone, token, name)}
    for ace in entries:
        given = [each for name in _PROTECTED for each in powers.given(ace, name) if each.id in held]
        takes_over = any(each.power is Power.CONTROL or each.id in _CONTROL for each in given)
        sid = ace.sid or facts.sid
        expected = known_in(context).expected(facts.features, seen.dn, seen.object_class, sid)
        if not takes_over and not beyond(ace, expected).here.without(READING):
            continue
        rights = DIRECTORY_MAPPING.map(ace.mask).without(READING)
        name = "" if ace.object_type is None else context.words.get(ace.object_type, str(ace.object_type))
        words = ", ".join(each.words for each in widest(given)) or rights_in_words(rights, name)
        mend: str | None = remove_rights(seen.dn, [(ace, DIRECTORY_MAPPING.map(ace.mask))])
        advice: str | None = None
        if sid != facts.sid:
            mend, advice = leave_group(context, facts, sid)
        yield Finding(
            ADMIN_SD_HOLDER if takes_over else ADMIN_SD_HOLDER_ATTRIBUTES,
            seen.dn,
            f"{facts.name}{through(context, facts, ace)} can do this with every protected account and group: "
            f"{words}",
            account=facts.name,
            trustee=context.name(sid),
            evidence=(context.evidence(ace, seen),),
            mend=mend,
            advice=advice,
        )


RULES: Final = (ADMIN_SD_HOLDER, ADMIN_SD_HOLDER_ATTRIBUTES)
CHECKS: Final = (ContextCheck(RULES, _look),)
