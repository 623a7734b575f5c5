"""What a child receives from its parent's lists.

On a directory object (always a container, MS-ADTS 6.1.3), for each entry of the parent:

    CI                        effective on the child, and goes on below it
    CI NP                     effective on the child, and stops there
    OI without CI             waits (OI IO) on the child: no directory object is a leaf
    no CI, no OI              stays with the parent
    class of another kind     waits (IO) on the child, or is dropped with NP
    generic bits, or          split in two: what counts on the child, mapped and with its owner or group in
    CREATOR OWNER / GROUP     place, and the original, which waits (IO) for what comes below

Inherited entries follow the child's own in the parent's order. A protected list takes nothing. What an entry
audits (SA, FA) goes with it. A list counts as auto-inherited once its parent had anything to give.

Sources: MS-DTYP 2.5.3.4 (ComputeACL and what it calls), MS-ADTS 6.1.3 (which class counts), and what a
domain controller was seen to do where the two are silent (docs/engine.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

from .ace import OBJECT_TYPES, Ace, AceFlag, AceType
from .descriptor import Acl, Control, SecurityDescriptor
from .rights import DIRECTORY_MAPPING, GenericMapping
from .sid import Sid

__all__ = ["inherit", "inherited_aces"]

_CI = AceFlag.CONTAINER_INHERIT
_OI = AceFlag.OBJECT_INHERIT
_NP = AceFlag.NO_PROPAGATE_INHERIT
_IO = AceFlag.INHERIT_ONLY
_ID = AceFlag.INHERITED
_INHERITANCE = _CI | _OI | _NP | _IO | _ID


def inherit(
    parent: SecurityDescriptor,
    child: SecurityDescriptor,
    *,
    object_class_guid: UUID,
    is_container: bool = True,
    mapping: GenericMapping = DIRECTORY_MAPPING,
) -> SecurityDescriptor:
    """The child's descriptor with what it now inherits in place of what it inherited before.

    ``object_class_guid`` is the schemaIDGUID of the child's most specific structural class. Explicit entries,
    owner and group stay; a protected DACL or SACL, and one that the child does not have, stays as it is. The
    same object comes back when nothing changes.
    """

    def renewed(own: Acl | None, above: Acl | None) -> Acl | None:
        if own is None:
            return None
        explicit = [ace for ace in own.aces if not ace.is_inherited]
        received = inherited_aces(
            above or Acl(),
            object_class_guid=object_class_guid,
            owner=child.owner,
            group=child.group,
            is_container=is_container,
            mapping=mapping,
        )
        entries = (*explicit, *received)
        return own if entries == own.aces else own.with_aces(entries)

    control = child.control
    dacl, sacl = child.dacl, child.sacl
    if dacl is not None and not control & Control.DACL_PROTECTED:
        dacl = renewed(dacl, parent.dacl)
        if _has_inheritable(parent.dacl):
            control |= Control.DACL_AUTO_INHERITED
    if sacl is not None and not control & Control.SACL_PROTECTED:
        sacl = renewed(sacl, parent.sacl)
        if _has_inheritable(parent.sacl):
            control |= Control.SACL_AUTO_INHERITED
    if dacl is child.dacl and sacl is child.sacl and control == child.control:
        return child
    return replace(child, dacl=dacl, sacl=sacl, control=control)


def _has_inheritable(acl: Acl | None) -> bool:
    return acl is not None and any(ace.flags & (_CI | _OI) for ace in acl.aces)


def inherited_aces(
    parent: Acl,
    *,
    object_class_guid: UUID,
    owner: Sid | None,
    group: Sid | None,
    is_container: bool = True,
    mapping: GenericMapping = DIRECTORY_MAPPING,
) -> Iterator[Ace]:
    """The entries that a child of this class, owner and group receives from the parent's list, in order."""
    creators = {Sid.CREATOR_OWNER: owner, Sid.CREATOR_GROUP: group}
    for ace in parent.aces:
        flags = ace.flags
        applies = ace.inherited_object_type in (None, object_class_guid)
        if not is_container:
            if flags & _OI and applies:
                yield _settled(ace, creators, mapping)
            continue
        goes_on = not flags & _NP
        if flags & _CI and applies:
            settled = _settled(ace, creators, mapping)
            if not goes_on:
                yield settled
            elif settled.mask != ace.mask or settled.sid != ace.sid:
                yield settled
                yield replace(ace, flags=flags | _IO | _ID)
            else:
                yield replace(ace, flags=flags.without(_IO) | _ID)
        elif flags & (_CI | _OI) and goes_on:
            yield replace(ace, flags=flags | _IO | _ID)


def _settled(ace: Ace, creators: dict[Sid, Sid | None], mapping: GenericMapping) -> Ace:
    """The entry as it counts on the child and nowhere below: no inheritance, no class, no placeholder."""
    # The class has done its work. With no GUID left, an object entry becomes a plain one of the same kind.
    entry_type = ace.type
    if entry_type in OBJECT_TYPES and ace.object_type is None:
        entry_type = _PLAIN[entry_type]
    return replace(
        ace,
        type=entry_type,
        flags=ace.flags.without(_INHERITANCE) | _ID,
        mask=mapping.map(ace.mask),
        sid=(creators.get(ace.sid) or ace.sid) if ace.sid else None,
        inherited_object_type=None,
        reserved_object_flags=0 if entry_type != ace.type else ace.reserved_object_flags,
    )


_PLAIN: dict[int, int] = {
    AceType.ACCESS_ALLOWED_OBJECT: AceType.ACCESS_ALLOWED,
    AceType.ACCESS_DENIED_OBJECT: AceType.ACCESS_DENIED,
    AceType.SYSTEM_AUDIT_OBJECT: AceType.SYSTEM_AUDIT,
    AceType.SYSTEM_ALARM_OBJECT: AceType.SYSTEM_ALARM,
    AceType.ACCESS_ALLOWED_CALLBACK_OBJECT: AceType.ACCESS_ALLOWED_CALLBACK,
    AceType.ACCESS_DENIED_CALLBACK_OBJECT: AceType.ACCESS_DENIED_CALLBACK,
    AceType.SYSTEM_AUDIT_CALLBACK_OBJECT: AceType.SYSTEM_AUDIT_CALLBACK,
    AceType.SYSTEM_ALARM_CALLBACK_OBJECT: AceType.SYSTEM_ALARM_CALLBACK,
}
