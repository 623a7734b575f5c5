"""Taking a direct member out of a group: one value of ``member``, and nothing else of either object.

Rule 1: only who is named by ``member`` itself can be taken out. Who is in the group through another group, or
        because it is the primary group, is refused, and the message says which.
Rule 2: who is no member is no error: a second run finds nothing to do.
Rule 3: the caller is not taken out of a group of its own without ``force``.
"""

from __future__ import annotations

from typing import Final, Unpack

from .ascent import ASCENT_ATTRIBUTES, groups_above, primary_group_of
from .directory import Directory, Entry
from .dn import DistinguishedName
from .errors import NotFound, ParameterError, UnknownName, UnsafePlan
from .forest import domain_of
from .plan import ValueChange
from .result import SetResult
from .running import RunParameters, finish
from .standing import has_value

__all__ = ["remove_member"]

CMDLET: Final = "Remove-ADSyncGroupMember"
OPERATION: Final = "Remove member"
_MEMBER: Final = "member"


def remove_member(
    directory: Directory, group_dn: str, member_dn: str, **run: Unpack[RunParameters]
) -> SetResult:
    """Take one direct member out of a group.

    Raises ParameterError and UnknownName for a group or a member that is none, UnsafePlan for one that is in it in
    another way and for the caller's own, and as ``finish``.
    """
    group_name = DistinguishedName.parse(group_dn, what="-GroupDN")
    member_name = DistinguishedName.parse(member_dn, what="-MemberDN")
    local = domain_of(directory, group_name)
    group = _get(local, group_dn, ("objectClass", "objectSid", "name"))
    if "group" not in group.values("objectClass"):
        raise ParameterError(f"'{group.dn}' is no group")
    theirs = domain_of(directory, member_name)
    member = _get(theirs, member_dn, ASCENT_ATTRIBUTES)
    domain = local.root.domain
    change = ValueChange(OPERATION, domain, group.dn, group.text("name") or group.dn, _MEMBER)
    warnings = []
    if has_value(local, group.dn, _MEMBER, member.dn):
        if not run.get("force", False):
            _refuse_own(local, group, member)
        change = ValueChange(OPERATION, domain, group.dn, change.label, _MEMBER, remove=(member.dn,))
    else:
        _refuse_other_ways(directory, theirs, local, group, member)
        warnings.append(f"'{member.dn}' is no member of '{group.dn}'")
    return finish(CMDLET, None, [change], warnings=warnings, directory=directory, run=run)


def _get(local: Directory, dn: str, attributes: tuple[str, ...]) -> Entry:
    try:
        return local.get(dn, attributes)
    except NotFound:
        raise UnknownName(dn, "object", f"there is no object '{dn}', or you may not see it") from None


def _refuse_own(local: Directory, group: Entry, member: Entry) -> None:
    """Raise UnsafePlan where the caller would lose the group: it is the member, or in it."""
    caller = local.caller_sids() or ()
    if member.sid() in caller and group.sid() in caller:
        raise UnsafePlan(
            group.dn,
            f"you have its rights through '{member.dn}' and would lose them; nothing was changed: add -Force if "
            "that is meant",
        )


def _refuse_other_ways(
    directory: Directory, theirs: Directory, local: Directory, group: Entry, member: Entry
) -> None:
    """Raise UnsafePlan where the member is in the group, and not by itself."""
    sid = group.sid()
    if sid is not None and sid == primary_group_of(member):
        raise UnsafePlan(
            group.dn,
            f"'{member.dn}' is in it because it is its primary group (primaryGroupID {sid.rid}); nothing was "
            "changed: give it another primary group first",
        )
    for step in groups_above(directory, theirs, member):
        if step.dn == group.dn:
            through = next(
                (dn for dn in step.below if has_value(local, group.dn, _MEMBER, dn)), "another group"
            )
            raise UnsafePlan(
                group.dn,
                f"'{member.dn}' is in it through '{through}'; nothing was changed: take it out of that group, or "
                "that group out of this one",
            )
