"""What a run says about its effect: gathered while it plans, told when it is known what was written.

``effect`` and ``shortfalls`` decide; this file asks the directory for what they need, each thing once:

    names and property sets         with those of the grants, in the same request
    groups of the account           with the account
    groups of well-known SIDs       one request a domain, and only where the feature reads
    the container of an object      one request, and only where the object alone is the target
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from acl import AccessMask, SecurityDescriptor, Sid

from .account import Principal, implied_groups
from .catalogue import TargetKind
from .directory import Directory
from .dn import DistinguishedName
from .effect import Answer, Effect, Examiner, effects, known_operations, token_in
from .errors import DirectoryError
from .operations import Operation, Place, names_of_operations
from .plan import AnyChange, Change, Target, ace_text
from .result import ChangeResult
from .schema import Schema
from .shortfalls import described, shortfalls

__all__ = ["Prospects", "container_of", "examiner_in"]


class Prospects:
    """The effect of one run of a feature: ``add`` each target as it is planned, then ``conclude``.

    ``warns`` is False for a run that takes away, where what goes no more is what was meant. ``creates_nothing``
    where the caller says already that a grant on a whole domain lets nothing be created.
    """

    def __init__(
        self,
        directory: Directory,
        account: Principal,
        operations: Iterable[Operation],
        schema: Schema,
        *,
        warns: bool = True,
        creates_nothing: bool = False,
    ) -> None:
        self._directory = directory
        self._account = account
        self._operations = tuple(operations)
        self._schema = schema
        self._warns = warns
        self._creates_nothing = creates_nothing
        self._examiners: dict[str, Examiner] = {}
        self._added: list[tuple[Target, tuple[Operation, ...], Examiner, SecurityDescriptor | None]] = []

    def add(self, target: Target, operations: Iterable[Operation] | None = None) -> None:
        """Remember a target as it is before the run, and read what its effect takes."""
        names = self._schema.all_known(names_of_operations(self._operations))
        known = known_operations(self._operations if operations is None else operations, names)
        if target.domain not in self._examiners:
            self._examiners[target.domain] = examiner_in(
                self._directory, target.domain, self._account, self._schema, self._operations
            )
        container = None
        if target.kind is TargetKind.OBJECT and any(_asks_container(each) for each in known):
            container = container_of(self._directory.for_domain(target.domain), target.dn)
        self._added.append((target, known, self._examiners[target.domain], container))

    def conclude(
        self, changes: Sequence[AnyChange], results: Sequence[ChangeResult]
    ) -> tuple[list[Effect], list[str]]:
        """The effect of each target, and what to warn of; changes and what became of them as targets were added."""
        found: list[Effect] = []
        warnings: list[str] = []
        if self._account.token_sids is None:
            warnings.append(
                f"the groups of '{self._account.dn}' may not be read (tokenGroups), so that what it can do is not "
                "known"
            )
        holders = {target.domain for target, *_ in self._added if target.kind is TargetKind.ADMIN_SD_HOLDER}
        for (target, operations, examiner, container), change, result in zip(
            self._added, changes, results, strict=False
        ):
            after = result.stored or target.descriptor
            if isinstance(change, Change) and result.status == "planned":
                after = change.after
            here = effects(operations, target, after, examiner, container=container)
            found += here
            if self._warns and result.status not in ("failed", "declined"):
                said = self._creates_nothing and target.kind is TargetKind.DOMAIN
                unsaid = [each for each in here if not (said and each.operation.place is Place.CONTAINER)]
                warnings += _lacking(target, unsaid, self._account.name)
                possible = [each.operation for each in here if each.after.allowed]
                lasting = target.domain not in holders
                short = shortfalls(target, after, possible, examiner, lasting=lasting)
                warnings += described(self._account.name, target, short)
        return found, warnings


def examiner_in(
    directory: Directory,
    domain: str,
    account: Principal,
    schema: Schema,
    operations: Iterable[Operation],
    *,
    implied: bool = False,
) -> Examiner:
    """Who is asked about in this domain, with the names that the operations use.

    ``implied`` asks for the groups of well-known SIDs in any case, and not just where an operation reads.
    """
    operations = tuple(operations)
    more: tuple[Sid, ...] = ()
    if implied or any(_reads(each) for each in operations):
        try:
            more = implied_groups(directory.for_domain(domain))
        except DirectoryError:
            more = ()  # they may not be seen; the answers are then those of an account outside them
    own = DistinguishedName.parse(account.dn).domain
    token = token_in(account, domain, account_domain=own, more=more)
    names = schema.all_known(names_of_operations(operations))
    return Examiner(account, token, names, schema.property_sets)


def _lacking(target: Target, here: Iterable[Effect], account: str) -> list[str]:
    """What does not go after the change, a line for each reason."""
    reasons: dict[str, list[str]] = {}
    for each in here:
        if each.after.allowed is False:
            reasons.setdefault(reason(each.after), []).append(each.operation.name)
    return [
        f"{account} still cannot {', '.join(names)} at '{target.dn}': {why}" for why, names in reasons.items()
    ]


def reason(answer: Answer) -> str:
    """Why an operation does not go, in words."""
    return "nothing grants it" if answer.decided_by is None else f"{ace_text(answer.decided_by)} denies it"


def _asks_container(operation: Operation) -> bool:
    return any(need.of_container for way in operation.ways for need in way)


def _reads(operation: Operation) -> bool:
    return any(need.rights & AccessMask.DS_READ_PROPERTY for way in operation.ways for need in way)


def container_of(directory: Directory, dn: str) -> SecurityDescriptor | None:
    """The descriptor of what the object is in, or None where it may not be read."""
    try:
        return directory.get(
            DistinguishedName.parse(dn).parent, ("nTSecurityDescriptor",)
        ).security_descriptor()
    except DirectoryError:
        return None
