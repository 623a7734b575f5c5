"""Whether SDProp protects an object: it is one that AdminSDHolder's list is copied to, or a member of such a group.

Rule 1: membership counts through any number of groups, in every domain of the forest, and by primaryGroupID.
Rule 2: adminCount is no evidence: it is set when an object comes under protection, and never taken away again.
Rule 3: the operators that the forest leaves out (dSHeuristics, dwAdminSDExMask) protect nobody.

Sources: MS-ADTS 3.1.1.6.1.2 (protected objects), 6.1.1.2.4.1.2 (dSHeuristics).
"""

from __future__ import annotations

from typing import Final

from acl import Sid

from .ascent import ASCENT_ATTRIBUTES, groups_above
from .directory import Directory, Entry
from .errors import NotFound
from .tier0 import PROTECTED_RIDS, PROTECTED_SIDS

__all__ = ["PROTECTION_ATTRIBUTES", "protecting_group"]

#: What ``protecting_group`` looks at of an entry.
PROTECTION_ATTRIBUTES: Final = ASCENT_ATTRIBUTES
#: Groups of a domain whose members are protected; of the other protected RIDs the object itself is, alone.
_MEMBERS_OF: Final = frozenset({512, 518, 519, 526, 527})
#: The bits of dwAdminSDExMask, and the built-in group that each leaves out.
_EXCLUDED: Final = {1: 548, 2: 549, 4: 550, 8: 551}
_MASK_POSITION: Final = 15


def protecting_group(directory: Directory, local: Directory, entry: Entry) -> str | None:
    """The DN of the protected group that the object is in, or its own where it is protected itself, or None.

    ``local`` is the directory of the object's domain. Raises Unreachable where a domain cannot be asked.
    """
    sid = entry.sid()
    if sid is None:
        return None
    built_in = PROTECTED_SIDS - _left_out(directory)
    if sid in built_in or (sid.domain is not None and sid.rid in PROTECTED_RIDS):
        return entry.dn
    for step in groups_above(directory, local, entry):
        its = step.sid
        if its in built_in or (its is not None and its.domain is not None and its.rid in _MEMBERS_OF):
            return step.dn
    return None


def _left_out(directory: Directory) -> frozenset[Sid]:
    """The built-in groups that the forest leaves out of protection."""
    dn = f"CN=Directory Service,CN=Windows NT,CN=Services,{directory.root.configuration_naming_context}"
    try:
        text = directory.get(dn, ["dSHeuristics"]).text("dSHeuristics") or ""
    except NotFound:  # a snapshot may leave it out
        return frozenset()
    try:
        mask = int(text[_MASK_POSITION : _MASK_POSITION + 1] or "0", 16)
    except ValueError:
        mask = 0
    return frozenset(Sid(5, (32, rid)) for bit, rid in _EXCLUDED.items() if mask & bit)
