"""Rules of an audit: what is left over, and does nothing but hide what counts.

Rule 1: entries of a SID that a domain of the forest issued, and nobody has any more, are debris. Of a SID from
        elsewhere nothing is known; what Windows itself names (RIDs below 1000) is never debris.
Rule 2: duplicates, and entries that are inherited too, count for the accounts audited alone: controllers give
        many objects both from the defaults of their class.
Rule 3: a connector that owns an object may change its permissions. It owns what it made by writeback, and that is
        as it should be: groups called Group_..., or whose adminDescription is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from acl import Ace, AceFlag

from .facts import AuditContext, Check, ObjectCheck, SeenObject, SurveyCheck, Surveyed
from .findings import Category, Finding, Rule, Severity
from .mend_lines import remove_access_rules, remove_sid, set_owner
from .schema import Kind

__all__ = ["CHECKS", "NAMES", "RULES"]

NAMES: Final[tuple[tuple[Kind, str], ...]] = ()
DOMAIN_ADMINS: Final = 512
#: What an entry's flags say beside who inherits it.
_OF_NO_WEIGHT: Final = AceFlag.INHERITED

UNKNOWN_SID: Final = Rule(
    "debris-unknown-sid",
    Category.DEBRIS,
    Severity.LOW,
    "Permissions of an account that is gone",
    "Entries of a SID that no account or group has any more do nothing for anybody, make lists longer, and make "
    "every look at permissions harder. They come from connectors that were replaced and accounts that were "
    "deleted.",
    "Take the entries of that SID away with Remove-ADSyncPermissions -Sid.",
)
DUPLICATE: Final = Rule(
    "debris-duplicate",
    Category.DEBRIS,
    Severity.LOW,
    "An entry of a connector that another one on the same object says already",
    "Such an entry grants nothing; but whoever takes the other one away believes the right is gone, and it is not.",
    "Take the entry away with Remove-ADSyncAccessRule.",
)
INHERITED_ALREADY: Final = Rule(
    "debris-inherited-already",
    Category.DEBRIS,
    Severity.LOW,
    "An explicit entry of a connector that is inherited too",
    "Such an entry grants nothing; but it stays when what is granted further up is taken away, so that the right "
    "is not gone when it seems to be.",
    "Take the explicit entry away with Remove-ADSyncAccessRule.",
)
OWNER: Final = Rule(
    "debris-owner",
    Category.DEBRIS,
    Severity.MEDIUM,
    "A connector owns an object that it did not write back",
    "An owner may change the permissions of what it owns, whatever they say. A connector owns the groups that it "
    "writes back; of anything else it became the owner by chance, or by somebody's intent.",
    "Give the object to Domain Admins with Set-ADSyncObjectOwner.",
)


def _gone(context: AuditContext, survey: Surveyed) -> Iterator[Finding]:
    for use in survey.gone:
        objects = "an object" if use.objects == 1 else f"{use.objects:,} objects"
        yield Finding(
            UNKNOWN_SID,
            use.dns[0],
            f"{use.sid} has entries on {objects}, and no account of its domain has that SID any more",
            trustee=str(use.sid),
            evidence=(context.evidence(use.ace),),
            others=use.dns[1:],
            count=use.objects,
            mend=remove_sid(use.sid),
        )


def _of_accounts(context: AuditContext, seen: SeenObject) -> Iterator[tuple[str, list[Ace]]]:
    """Of each account with explicit entries on the object: its name, and these."""
    descriptor = seen.descriptor
    for account in context.accounts:
        own = [
            ace
            for ace in (descriptor.dacl or () if descriptor is not None else ())
            if ace.sid == account.sid and not ace.is_inherited and (ace.is_allow or ace.is_deny)
        ]
        if own:
            yield account.name, own


def _says(one: Ace, other: Ace) -> bool:
    """True when the first entry, in effect wherever the other is, grants or denies all that the other does."""
    return (
        one.type == other.type
        and one.sid == other.sid
        and one.object_type == other.object_type
        and one.inherited_object_type == other.inherited_object_type
        and one.data == other.data
        and one.flags.without(_OF_NO_WEIGHT) == other.flags.without(_OF_NO_WEIGHT)
        and one.mask & other.mask == other.mask
    )


def _duplicates(context: AuditContext, seen: SeenObject) -> Iterator[Finding]:
    for account, own in _of_accounts(context, seen):
        for place, ace in enumerate(own):
            # Of two that are equal the later one is too many.
            others = [
                other
                for index, other in enumerate(own)
                if index != place and _says(other, ace) and (other != ace or index < place)
            ]
            if others:
                yield Finding(
                    DUPLICATE,
                    seen.dn,
                    f"an entry of {account} on '{seen.dn}' is said by another one already",
                    account=account,
                    evidence=(context.evidence(ace), context.evidence(others[0])),
                    mend=remove_access_rules(seen.dn, [ace]),
                )


def _inherited_already(context: AuditContext, seen: SeenObject) -> Iterator[Finding]:
    if seen.descriptor is None or seen.descriptor.dacl is None:
        return
    inherited = [ace for ace in seen.descriptor.dacl if ace.is_inherited]
    for account, own in _of_accounts(context, seen):
        for ace in own:
            above = next((other for other in inherited if _says_from_above(other, ace)), None)
            if above is not None:
                yield Finding(
                    INHERITED_ALREADY,
                    seen.dn,
                    f"an explicit entry of {account} on '{seen.dn}' is inherited too",
                    account=account,
                    evidence=(context.evidence(ace), context.evidence(above, seen)),
                    mend=remove_access_rules(seen.dn, [ace]),
                )


def _says_from_above(inherited: Ace, own: Ace) -> bool:
    """True when the inherited entry grants all that the object's own does, here and below."""
    if _says(inherited, own):
        return True
    # What an object only passes on is no less in effect where it counts here as well.
    narrower = own.flags & AceFlag.INHERIT_ONLY and not inherited.flags & AceFlag.INHERIT_ONLY
    if not narrower:
        return False
    as_effective = own.flags.without(AceFlag.INHERIT_ONLY)
    return (
        inherited.flags.without(_OF_NO_WEIGHT) == as_effective
        and inherited.type == own.type
        and inherited.sid == own.sid
        and inherited.object_type == own.object_type
        and inherited.inherited_object_type == own.inherited_object_type
        and inherited.data == own.data
        and inherited.mask & own.mask == own.mask
    )


def _is_owned(context: AuditContext, seen: SeenObject) -> bool:
    return seen.owner is not None and any(seen.owner == account.sid for account in context.accounts)


def _owned(context: AuditContext, seen: SeenObject) -> Iterator[Finding]:
    if seen.is_written_back and seen.object_class == "group":
        return
    domain = context.domain(seen.domain)
    for account in context.accounts:
        if seen.owner == account.sid:
            owner = None if domain is None or domain.sid is None else domain.sid.child(DOMAIN_ADMINS)
            yield Finding(
                OWNER,
                seen.dn,
                f"{account.name} owns '{seen.dn}', a {seen.object_class}, and may change its permissions",
                account=account.name,
                trustee=account.name,
                mend=None if owner is None else set_owner(seen.dn, owner),
            )


RULES: Final = (UNKNOWN_SID, DUPLICATE, INHERITED_ALREADY, OWNER)
CHECKS: Final[tuple[Check, ...]] = (
    SurveyCheck((UNKNOWN_SID,), _gone),
    ObjectCheck((DUPLICATE,), _duplicates),
    ObjectCheck((INHERITED_ALREADY,), _inherited_already),
    ObjectCheck((OWNER,), _owned, _is_owned),
)
