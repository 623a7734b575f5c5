"""The token of an access check: everything that speaks for the one who asks.

Decided here: which SIDs count on an object, given its owner and its own SID, and what conditions can know.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .ace import ALLOW_TYPES, Ace, AceFlag, AceType
from .descriptor import Acl
from .errors import AclError
from .rights import AccessMask
from .sid import Sid

if TYPE_CHECKING:
    from .claim import Claim

__all__ = ["NETWORK_LOGON_SIDS", "PRIVILEGES", "Token"]

#: What a logon over the network adds to an account and its groups.
NETWORK_LOGON_SIDS: Final = (
    Sid.EVERYONE,
    Sid.AUTHENTICATED_USERS,
    Sid.from_string("S-1-5-2"),  # Network
    Sid.from_string("S-1-5-15"),  # This Organization
)
#: The privileges that an access check looks at, and the right that each stands for (MS-DTYP 2.5.3.2).
PRIVILEGES: Final[dict[str, int]] = {
    "SeSecurityPrivilege": int(AccessMask.ACCESS_SYSTEM_SECURITY),
    "SeTakeOwnershipPrivilege": int(AccessMask.WRITE_OWNER),
}
_SELF: Final = frozenset({Sid.PRINCIPAL_SELF.to_bytes()})
_OWNER: Final = frozenset({Sid.OWNER_RIGHTS.to_bytes()})


@dataclass(frozen=True, slots=True)
class Token:
    """Who asks (MS-DTYP 2.5.2): every SID that speaks for them, privileges by name, and claims.

    None for claims or device SIDs means that they are not known, which an empty collection does not.
    """

    sids: frozenset[Sid]
    privileges: frozenset[str] = frozenset()
    user_claims: Collection[Claim] | None = None
    device_claims: Collection[Claim] | None = None
    local_claims: Collection[Claim] | None = None
    device_sids: frozenset[Sid] | None = None
    # The SIDs as bytes, whose hash Python keeps: without placeholders, with one, the other, both.
    _speakers: tuple[frozenset[bytes], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        sids = frozenset([sid.to_bytes() for sid in self.sids]) - _SELF - _OWNER
        object.__setattr__(self, "_speakers", (sids, sids | _SELF, sids | _OWNER, sids | _SELF | _OWNER))

    @classmethod
    def for_account(cls, account: Sid, groups: Iterable[Sid] = ()) -> Token:
        """The token of an account that logs on over the network; ``groups`` are its tokenGroups."""
        return cls(frozenset((account, *groups, *NETWORK_LOGON_SIDS)))

    def speakers(self, owner: Sid | None, principal_self: Sid | None) -> frozenset[bytes]:
        """Every SID, in binary form, that counts on an object of this owner and SID, placeholders included."""
        is_self = principal_self is not None and principal_self.to_bytes() in self._speakers[0]
        is_owner = owner is not None and owner.to_bytes() in self._speakers[is_self]
        return self._speakers[is_self + 2 * is_owner]

    def condition_holds(self, ace: Ace, sacl: Acl | None) -> bool | None:
        """Whether a callback entry's condition is true for this token; None when that cannot be known.

        ``sacl`` is where the object keeps its resource attributes. A condition or an attribute that cannot be
        read is not known either (MS-DTYP 2.5.3.1.5).
        """
        # Few lists hold a condition, and reading conditions takes three modules.
        from .claim import Claim  # noqa: PLC0415
        from .condition import Condition  # noqa: PLC0415
        from .condition_check import evaluate  # noqa: PLC0415

        try:
            condition = Condition.from_bytes(ace.data)
            resource = None if sacl is None else [Claim.from_bytes(each.data) for each in _attributes(sacl)]
        except AclError:
            return None
        return evaluate(
            condition,
            user=self.user_claims,
            device=self.device_claims,
            local=self.local_claims,
            resource=resource,
            sids=self.sids,
            device_sids=self.device_sids,
            for_deny=ace.type not in ALLOW_TYPES,
        )


def _attributes(sacl: Acl) -> Iterator[Ace]:
    for ace in sacl.aces:
        if ace.type == AceType.SYSTEM_RESOURCE_ATTRIBUTE and not ace.flags & AceFlag.INHERIT_ONLY:
            yield ace
