"""Windows security descriptors in pure Python: bytes and text in, values out, and what they allow.

Standard library only; no I/O; every value is frozen.
"""

from .access import AccessResult, access_check, access_check_each, explain
from .ace import Ace, AceFlag, AceType
from .descriptor import Acl, Control, SecurityDescriptor
from .errors import AclError, MalformedError, SddlError
from .inherit import inherit
from .object_tree import ObjectTree
from .rights import DIRECTORY_MAPPING, AccessMask, GenericMapping
from .sid import Sid
from .token import Token

__all__ = [
    "DIRECTORY_MAPPING",
    "AccessMask",
    "AccessResult",
    "Ace",
    "AceFlag",
    "AceType",
    "Acl",
    "AclError",
    "Control",
    "GenericMapping",
    "MalformedError",
    "ObjectTree",
    "SddlError",
    "SecurityDescriptor",
    "Sid",
    "Token",
    "access_check",
    "access_check_each",
    "explain",
    "inherit",
]
