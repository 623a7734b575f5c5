"""Windows security descriptors in pure Python: bytes and text in, values out, and what they allow.

Standard library only; no I/O; every value is frozen.
"""

from .ace import Ace, AceFlag, AceType
from .descriptor import Acl, Control, SecurityDescriptor
from .errors import AclError, MalformedError, SddlError
from .inherit import inherit
from .rights import DIRECTORY_MAPPING, AccessMask, GenericMapping
from .sid import Sid

__all__ = [
    "DIRECTORY_MAPPING",
    "AccessMask",
    "Ace",
    "AceFlag",
    "AceType",
    "Acl",
    "AclError",
    "Control",
    "GenericMapping",
    "MalformedError",
    "SddlError",
    "SecurityDescriptor",
    "Sid",
    "inherit",
]
