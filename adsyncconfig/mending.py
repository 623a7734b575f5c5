"""What mends an operation that does not go: the command line that grants it, tried on the descriptor before it is
given, or a sentence where no command is known to do.

Rule 1: a command is given only when the grant would make the operation possible on this very target.
Rule 2: a command can be pasted into a shell as it stands; the connection is what the environment says.
Rule 3: the narrower grant is given where one is known to do: a mend is not to be what the next audit finds.
Rule 4: nobody's deny is taken away by a command: it was put there for a reason that only its owner knows.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from uuid import UUID

from acl import SecurityDescriptor

from .account import Principal
from .catalogue import CLOUD_SYNC, DEVICE_WRITEBACK_CMDLET, Feature, Grant, TargetKind
from .effect import Effect, Examiner, effects
from .errors import ADSyncConfigError
from .grants import hands_over, wanted_entries
from .operations import Operation, Place
from .origin import Origin
from .plan import Target, ace_text, plan_grants
from .schema import Kind
from .shortfalls import Cause, Shortfall

__all__ = ["command_line", "mend", "mend_below", "mend_denied", "mend_protected", "narrowest_grants"]

Names = Mapping[tuple[Kind, str], UUID]


def command_line(feature: Feature, account: Principal, target: Target, *switches: str) -> str | None:
    """The command that grants the feature on the target, quoted for a shell; None where it takes no such target."""
    words = [feature.cmdlet]
    if feature is CLOUD_SYNC.get(feature.name):
        words += ["-PermissionType", feature.name]
    words += ["-ADConnectorAccountDN", account.dn]
    if feature is CLOUD_SYNC.get(feature.name):
        if target.kind is not TargetKind.DOMAIN:
            return None
        words += ["-TargetDomain", target.domain]
    elif feature.takes_object:
        words += ["-ADobjectDN", target.dn]
    elif target.kind is not TargetKind.DOMAIN and feature.cmdlet != DEVICE_WRITEBACK_CMDLET:
        return None
    return " ".join(word if word.startswith("-") else shlex.quote(word) for word in (*words, *switches))


def mend(feature: Feature, effect: Effect, target: Target, examiner: Examiner, names: Names) -> str:
    """What makes an operation possible on the target that nothing grants there."""
    command = _command(feature, effect.operation, target, examiner, names)
    if command is not None:
        return command
    if effect.operation.place is Place.CONTAINER:
        return (
            f"grant it on the container that they are to be made in: {feature.cmdlet} with -ADobjectDN and "
            "that container's DN"
        )
    if effect.after.on_container:
        return f"let {examiner.account.name} list the contents of what '{target.dn}' is in"
    return f"no command of this tool grants this on '{target.dn}' by itself"


def mend_below(feature: Feature, short: Shortfall, at: Target, examiner: Examiner, names: Names) -> str:
    """What makes an operation possible below a target that inheritance does not reach, or nothing grants."""
    command = _command(feature, short.operation, at, examiner, names)
    if command is not None:
        return command
    if short.cause is Cause.BLOCKED:
        return f"let '{short.at}' inherit permissions again"
    return f"see with Test-ADSyncPermissions -ADobjectDN {shlex.quote(short.dn)}"


def mend_denied(account: Principal, origin: Origin) -> str:
    """What to do about an entry that denies."""
    text = f"take {ace_text(origin.entry)} off '{origin.dn}'"
    if origin.entry.sid != account.sid:
        text += f", or {account.name} out of what {origin.entry.sid} stands for"
    return text


def mend_protected(feature: Feature, account: Principal, domain: Target, origin_dn: str) -> str:
    """What to do for an object whose list is a copy of AdminSDHolder's."""
    sweeping = any(hands_over(grant) for grant in feature.grants)
    switches = ("-IncludeAdminSdHolders", "-Force") if sweeping else ("-IncludeAdminSdHolders",)
    command = command_line(feature, account, domain, *switches) if feature.takes_object else None
    leave = f"leave '{origin_dn}' out of the scope of synchronisation"
    if command is None or feature is CLOUD_SYNC.get(feature.name):
        return leave
    if sweeping:
        return f"{leave}; or, which hands every protected account over: {command}"
    return command


def narrowest_grants(feature: Feature, target: Target) -> tuple[Grant, ...]:
    """The narrower grants of the feature where they are known to do on such a target, else all."""
    return feature.least if feature.least and target.kind in feature.least_on else feature.grants


def _command(
    feature: Feature, operation: Operation, target: Target, examiner: Examiner, names: Names
) -> str | None:
    """The command that makes the operation possible on the target by granting the least; None where none does."""
    tries: list[tuple[tuple[Grant, ...], tuple[str, ...]]] = [(feature.grants, ())]
    if (narrowest := narrowest_grants(feature, target)) is not feature.grants:
        tries.insert(0, (narrowest, ("-LeastPrivilege",)))
    for grants, switches in tries:
        command = command_line(feature, examiner.account, target, *switches)
        granted = None if command is None else _granted(feature, grants, target, examiner, names)
        if granted is not None:
            found = effects([operation], target, granted, examiner)
            if any(each.after.allowed for each in found):
                return command
    return None


def _granted(
    feature: Feature, grants: tuple[Grant, ...], target: Target, examiner: Examiner, names: Names
) -> SecurityDescriptor | None:
    """The target's descriptor with these grants of the feature; None where they are none for it."""
    try:
        wanted = wanted_entries(feature, grants, target, sid=examiner.account.sid, names=names)
        change, _ = plan_grants(feature.operation, target, wanted.aces)
    except ADSyncConfigError:
        return None
    return change.after
