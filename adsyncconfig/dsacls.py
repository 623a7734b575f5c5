"""The two-letter rights of dsacls.exe, in which Microsoft documents what its cmdlets grant.

They are not SDDL's: what SDDL calls SW, CR and GX is WS, CA and GE here. Source: the help text of dsacls.exe
10.0.17763, and MS-ADTS 5.1.3.2 for what the generic ones stand for.
"""

from __future__ import annotations

from typing import Final

from acl import DIRECTORY_MAPPING, AccessMask

__all__ = ["RIGHTS", "mask"]

RIGHTS: Final[dict[str, AccessMask]] = {
    "GR": DIRECTORY_MAPPING.read,
    "GE": DIRECTORY_MAPPING.execute,
    "GW": DIRECTORY_MAPPING.write,
    "GA": DIRECTORY_MAPPING.all,
    "SD": AccessMask.DELETE,
    "DT": AccessMask.DS_DELETE_TREE,
    "RC": AccessMask.READ_CONTROL,
    "WD": AccessMask.WRITE_DAC,
    "WO": AccessMask.WRITE_OWNER,
    "LC": AccessMask.DS_LIST_CONTENTS,
    "CC": AccessMask.DS_CREATE_CHILD,
    "DC": AccessMask.DS_DELETE_CHILD,
    "WS": AccessMask.DS_WRITE_PROPERTY_EXTENDED,
    "WP": AccessMask.DS_WRITE_PROPERTY,
    "RP": AccessMask.DS_READ_PROPERTY,
    "CA": AccessMask.DS_CONTROL_ACCESS,
    "LO": AccessMask.DS_LIST_OBJECT,
}


def mask(rights: str) -> AccessMask:
    """The mask of rights written one after the other, ``GRGWCCDCSDDT``, generic ones already mapped.

    An unmapped generic bit would make the server split the entry in two (MS-DTYP 2.5.3.4).
    """
    result = AccessMask(0)
    for position in range(0, len(rights), 2):
        result |= RIGHTS[rights[position : position + 2]]
    return result
