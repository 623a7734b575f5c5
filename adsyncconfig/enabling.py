"""Letting an object inherit permissions again: its own entries stay, and what comes down from above is added.

Rule 1: what it would inherit is worked out from its parent as a controller does (``acl.inherit``), and shown before
        it is there. The controller works it out again.
Rule 2: an object that SDProp protects is refused: within the hour it would be as before. So is clearing its
        adminCount, always, and AdminSDHolder itself, whose list is copied to every protected account.
Rule 3: entries that come in are named where they deny, or let others than administrators take the object over.
"""

from __future__ import annotations

from typing import Final, Unpack
from uuid import UUID

from acl import AccessMask, Ace, SecurityDescriptor, Sid, inherit
from acl.edit import unprotect

from .catalogue import TargetKind
from .directory import Directory
from .dn import DistinguishedName
from .errors import DirectoryError, UnsafePlan
from .keeping import domain_sid_of, refuse_to_lock_out
from .plan import AnyChange, Change, Target, ValueChange, ace_text
from .protection import PROTECTION_ATTRIBUTES, protecting_group
from .result import SetResult
from .running import RunParameters, finish
from .schema import Kind, Schema, bundled
from .targets import named_target
from .tier0 import tier0_sids

__all__ = ["enable_inheritance"]

CMDLET: Final = "Enable-ADSyncInheritance"
OPERATION: Final = "Enable inheritance"
CLEAR: Final = "Clear adminCount"
_NO_CLASS: Final = UUID(int=0)
_ADMIN_COUNT: Final = "adminCount"
_CONTROL: Final = AccessMask.WRITE_DAC | AccessMask.WRITE_OWNER
#: Rights that are dangerous on all there is, and harmless on one property or right as a rule.
_OVER_ALL: Final = AccessMask.DS_WRITE_PROPERTY | AccessMask.DS_CONTROL_ACCESS
_RESET_PASSWORD: Final = "User-Force-Change-Password"  # noqa: S105 - the name of a right


def enable_inheritance(
    directory: Directory, object_dn: str, *, clear_admin_count: bool = False, **run: Unpack[RunParameters]
) -> SetResult:
    """Let one object inherit permissions again, and with ``clear_admin_count`` take its adminCount away.

    Raises UnsafePlan for an object that is protected, that nothing is above, or that the caller could not put right
    again, and as ``named_target`` and ``finish``.
    """
    target = named_target(directory, object_dn)
    local = directory.for_domain(target.domain)
    _refuse_roots(local, target)
    entry = local.get(target.dn, (_ADMIN_COUNT, *PROTECTION_ATTRIBUTES))
    force = run.get("force", False)
    group = protecting_group(directory, local, entry)
    if group is not None and (clear_admin_count or not force):
        _refuse_protected(target, group, clears=clear_admin_count)
    if target.kind is TargetKind.ADMIN_SD_HOLDER and not force:
        raise UnsafePlan(
            target.dn,
            "its permissions are copied onto every protected account and group, with all that it would inherit; "
            "nothing was changed: add -Force if that is meant",
        )
    before = after = target.descriptor
    warnings: list[str] = []
    if before.dacl_is_protected:
        after, warnings = _inheriting(local, target)
        domain_sid = domain_sid_of(local)
        if not force:
            refuse_to_lock_out(local, target.dn, before, after, domain_sid=domain_sid)
        warnings += _effects(local, target, after, domain_sid)
    changes: list[AnyChange] = [
        Change(OPERATION, target.domain, target.dn, target.label, before, after),
    ]
    count = entry.values(_ADMIN_COUNT)
    if clear_admin_count:
        changes.append(ValueChange(CLEAR, target.domain, target.dn, target.label, _ADMIN_COUNT, remove=count))
    elif count and group is None:
        warnings.append(
            f"'{target.dn}' keeps adminCount {count[0]}, though no protected group has it as a member: "
            "-ClearAdminCount takes it away"
        )
    return finish(CMDLET, None, changes, warnings=warnings, directory=directory, run=run)


def _refuse_roots(local: Directory, target: Target) -> None:
    """Raise UnsafePlan for what has no list, and for the root of a naming context."""
    if target.descriptor.dacl is None:
        raise UnsafePlan(
            target.dn, "it has no access control list, so that everybody has full control; mend that"
        )
    root = local.root
    roots = (root.default_naming_context, root.configuration_naming_context, root.schema_naming_context)
    if DistinguishedName.parse(target.dn) in map(DistinguishedName.parse, roots):
        raise UnsafePlan(
            target.dn, "it is the root of a naming context, and there is nothing to inherit from"
        )


def _refuse_protected(target: Target, group: str, *, clears: bool) -> None:
    member = "it is protected itself" if group == target.dn else f"it is a member of '{group}'"
    away = "" if group == target.dn else ": take it out of that group first"
    more = "" if clears else ", or add -Force"
    raise UnsafePlan(
        target.dn,
        f"{member}, so that SDProp blocks its inheritance and sets its adminCount again within the hour; nothing "
        f"was changed{away}{more}",
    )


def _inheriting(local: Directory, target: Target) -> tuple[SecurityDescriptor, list[str]]:
    """The descriptor with what it inherits, and a warning where that is not known."""
    opened = unprotect(target.descriptor)
    above = DistinguishedName.parse(target.dn).parent
    try:
        parent = local.get(above, ("nTSecurityDescriptor",)).security_descriptor()
    except DirectoryError as error:
        return opened, [f"what '{target.dn}' inherits is not known: {error}"]
    guid = Schema(local).known(Kind.CLASS, [target.object_class]).get(target.object_class, _NO_CLASS)
    return inherit(parent, opened, object_class_guid=guid), []


def _effects(local: Directory, target: Target, after: SecurityDescriptor, domain_sid: Sid) -> list[str]:
    """What the entries that come in deny, and what they let others than administrators do."""
    coming = [ace for ace in after.dacl or () if ace.is_inherited and ace.is_effective]
    root = local.root.forest_root_sid
    harmless = tier0_sids([domain_sid], None if root is None else Sid.from_string(root))
    warnings = [
        f"'{target.dn}' inherits {ace_text(ace)}, which denies; an entry of its own that allows wins over it"
        for ace in coming
        if ace.is_deny
    ]
    if taking := [ace for ace in coming if _hands_over(ace) and ace.sid not in harmless]:
        entries = ", ".join(map(ace_text, taking))
        warnings.append(
            f"'{target.dn}' inherits {entries}: whoever has these rights may take it over; is that meant?"
        )
    return warnings


def _hands_over(ace: Ace) -> bool:
    """True for an entry with which its trustee takes an object over in one step."""
    if not ace.is_allow:
        return False
    if ace.mask & _CONTROL:
        return True
    resets = ace.object_type == bundled(Kind.RIGHT).get(_RESET_PASSWORD)
    return bool(ace.mask & _OVER_ALL) and (ace.object_type is None or resets)
