"""The access mask, its named bits, and what the generic ones mean on a directory object.

Sources: MS-DTYP 2.4.3 (layout of the mask), MS-ADTS 5.1.3.2 (directory rights and their generic mapping).
"""

from __future__ import annotations

from typing import NamedTuple

from .bits import Bit, Bits

__all__ = ["DIRECTORY_MAPPING", "AccessMask", "GenericMapping"]


class AccessMask(Bits):
    """The 32 bits of rights in an ACE (MS-DTYP 2.4.3), named for directory objects (MS-ADTS 5.1.3.2)."""

    DS_CREATE_CHILD = Bit(0x00000001)
    DS_DELETE_CHILD = Bit(0x00000002)
    DS_LIST_CONTENTS = Bit(0x00000004)
    DS_WRITE_PROPERTY_EXTENDED = Bit(0x00000008)  # validated writes; SDDL calls it SW
    DS_READ_PROPERTY = Bit(0x00000010)
    DS_WRITE_PROPERTY = Bit(0x00000020)
    DS_DELETE_TREE = Bit(0x00000040)
    DS_LIST_OBJECT = Bit(0x00000080)
    DS_CONTROL_ACCESS = Bit(0x00000100)  # extended rights; SDDL calls it CR, dsacls CA
    DELETE = Bit(0x00010000)
    READ_CONTROL = Bit(0x00020000)
    WRITE_DAC = Bit(0x00040000)
    WRITE_OWNER = Bit(0x00080000)
    SYNCHRONIZE = Bit(0x00100000)
    ACCESS_SYSTEM_SECURITY = Bit(0x01000000)
    MAXIMUM_ALLOWED = Bit(0x02000000)
    GENERIC_ALL = Bit(0x10000000)
    GENERIC_EXECUTE = Bit(0x20000000)
    GENERIC_WRITE = Bit(0x40000000)
    GENERIC_READ = Bit(0x80000000)

    @property
    def has_generic(self) -> bool:
        """True when any of the four generic bits is set: such a mask means nothing until it is mapped."""
        return bool(int(self) & _ANY_GENERIC)


_ANY_GENERIC = (
    AccessMask.GENERIC_ALL | AccessMask.GENERIC_EXECUTE | AccessMask.GENERIC_WRITE | AccessMask.GENERIC_READ
)


class GenericMapping(NamedTuple):
    """What each generic right stands for on one type of object (MS-DTYP 2.5.3.1.1)."""

    read: AccessMask
    write: AccessMask
    execute: AccessMask
    all: AccessMask

    def map(self, mask: int) -> AccessMask:
        """The mask with its generic bits replaced by the rights that they stand for."""
        if not mask & _ANY_GENERIC:
            return AccessMask(mask)
        mapped = AccessMask(mask).without(_ANY_GENERIC)
        for generic, rights in (
            (AccessMask.GENERIC_READ, self.read),
            (AccessMask.GENERIC_WRITE, self.write),
            (AccessMask.GENERIC_EXECUTE, self.execute),
            (AccessMask.GENERIC_ALL, self.all),
        ):
            if mask & generic:
                mapped |= rights
        return mapped


#: Directory objects (MS-ADTS 5.1.3.2): GR = RC LC RP LO, GW = RC SW WP, GX = RC LC, GA = all of them.
DIRECTORY_MAPPING = GenericMapping(
    read=AccessMask(0x00020094),
    write=AccessMask(0x00020028),
    execute=AccessMask(0x00020004),
    all=AccessMask(0x000F01FF),
)
