"""Giving an object another owner: the owner alone is written, and nothing else of its descriptor.

Rule 1: an owner is named by SID, DN or DOMAIN\\name, and has to be there: a SID that nobody has is refused.
Rule 2: an owner may rewrite an object's permissions, whatever its entries say (MS-ADTS 5.1.3.3.2). Who is no
        administrator and becomes one is said; what stands for everybody, or for nobody by itself, is refused.
Rule 3: what the caller or Domain Admins need to put it right again is not taken away without ``force``.

Whom a controller takes: the caller, a group of the caller's that may own, and with the right to restore files
anybody (MS-ADTS 6.1.3.3). Its refusal is one clear line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Unpack

from acl import Sid

from .directory import Directory
from .errors import ADSyncConfigError, UnknownName, UnsafePlan
from .keeping import domain_sid_of, refuse_to_lock_out
from .names import Names
from .plan import Change
from .result import SetResult, extended
from .running import RunParameters, finish
from .targets import named_target
from .tier0 import tier0_sids
from .trustee_names import SID, NamedTrustee, trustee_named
from .well_known import WELL_KNOWN_NAMES

__all__ = ["OwnerResult", "set_owner"]

CMDLET: Final = "Set-ADSyncObjectOwner"
OPERATION: Final = "Change the owner"
_BUILT_IN: Final = 32


@dataclass(frozen=True, slots=True)
class OwnerResult(SetResult):
    """Whose the object is or would be; ``owner`` and ``previous`` as ``DOMAIN\\name`` or SID."""

    owner: str = ""
    previous: str = ""

    @property
    def details(self) -> tuple[str, ...]:
        """Both by their names."""
        if self.owner == self.previous:
            return (f"    owner: {self.owner}",)
        return (f"    owner: {self.owner}; before: {self.previous}",)


def set_owner(directory: Directory, object_dn: str, owner: str, **run: Unpack[RunParameters]) -> OwnerResult:
    """Make ``owner`` the owner of one object.

    Raises ParameterError and UnknownName for an owner that is none, UnsafePlan for one that would hand the object
    over or lock the caller out, and as ``named_target`` and ``finish``.
    """
    force = run.get("force", False)
    target = named_target(directory, object_dn)
    local = directory.for_domain(target.domain)
    wanted = _owner(directory, owner, force=force)
    names = Names(directory)
    before = target.descriptor
    after = before if before.owner == wanted.sid else replace(before, owner=wanted.sid)
    warnings: list[str] = []
    if after is not before:
        domain_sid = domain_sid_of(local)
        if not force:
            refuse_to_lock_out(local, target.dn, before, after, domain_sid=domain_sid)
        root = local.root.forest_root_sid
        if wanted.sid not in tier0_sids([domain_sid], None if root is None else Sid.from_string(root)):
            warnings.append(
                f"{wanted.name} may then change the permissions of '{target.dn}', as every owner may, whatever its "
                "entries say"
            )
    known = names.of(before, after)
    more = {
        "owner": known.trustee(wanted.sid),
        "previous": "nobody" if before.owner is None else known.trustee(before.owner),
    }
    change = Change(OPERATION, target.domain, target.dn, target.label, before, after)
    warnings += names.notices
    try:
        result = finish(CMDLET, None, [change], warnings=warnings, directory=directory, run=run)
    except ADSyncConfigError as error:
        if error.result is not None:
            error.result = extended(error.result, OwnerResult, **more)
        raise
    return extended(result, OwnerResult, **more)


def _owner(directory: Directory, text: str, *, force: bool) -> NamedTrustee:
    """Who is meant. Raises ParameterError, UnknownName and UnsafePlan."""
    try:
        found = trustee_named(directory, text, what="-Owner", nobody_too=force)
    except UnknownName as error:
        if error.kind == SID:
            raise UnknownName(error.name, error.kind, f"{error}; add -Force to make it the owner") from None
        raise
    if not force and not _may_own(found.sid):
        raise UnsafePlan(
            found.name,
            "it stands for whoever comes along, and would hand the object over; nothing was changed",
        )
    return found


def _may_own(sid: Sid) -> bool:
    """True for an account or a group; not for what stands for everybody who logs on, or for somebody else."""
    is_group = sid.authority == 5 and sid.sub_authorities[:1] == (_BUILT_IN,)
    return sid not in WELL_KNOWN_NAMES or is_group or sid == Sid.LOCAL_SYSTEM
