"""Test-ADSyncPermissions: can the connector do what its features need here, and if not, why not?

Every operation of the features is tried (``effect``) on each target: on whole domains, on an OU with what is below
it, or on one object of any class. Each answer names the entry that decides and where that comes from (``origin``);
what does not go is given with its reason and what mends it (``mending``).

Rule 1: what is granted by entries of the objects' own counts, where there are such objects and all of them have it.
Rule 2: what cannot be known is no success.
Rule 3: where no feature is named, those are tried that the account's own entries tell, and the result says so.
Rule 4: rights on the root of a domain are looked for there, whatever the target.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from acl import Ace

from .account import AccountNames, Principal, account_of
from .below import DEFAULT_LIMIT
from .catalogue import DEVICE_REGISTRATION_CONFIGURATION, REGISTERED_DEVICES, Feature, TargetKind
from .devices import device_containers
from .directory import Directory
from .dn import DistinguishedName
from .effect import Answer, Effect, Examiner, effects, known_operations
from .errors import ParameterError
from .feature_names import features_named
from .grants import names_of
from .mending import mend, mend_below, mend_denied, mend_protected
from .operations import Operation, Place, names_of_operations, operations_of
from .origin import Origin, Origins
from .plan import Target, ace_text
from .prospects import container_of, examiner_in
from .schema import Kind, Schema
from .shortfalls import Cause, Shortfall, not_looked_at, shortfalls
from .targets import named_target, targets
from .told import told_features
from .words import rights_in_words

__all__ = ["Diagnosis", "DiagnosisParameters", "DiagnosisResult", "diagnose"]

CMDLET: Final = "Test-ADSyncPermissions"

_PROTECTED: Final = "; AdminSDHolder's permissions replace its own (adminCount=1)"


class DiagnosisParameters(AccountNames, total=False):
    """The account, named as every cmdlet names it, and where to look.

    ``ad_object_dn`` is any object; left out, every domain of the forest. ``look_below`` is how many objects to
    read at and below each target; None means 1,000.
    """

    ad_object_dn: str | None
    look_below: int | None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One operation on one object: whether it goes, which entry decides, where that comes from, and what mends it.

    ``allowed`` is None where that cannot be known. ``mend`` is a command line or a sentence; None where all is
    well.
    """

    feature: str
    dn: str
    operation: str
    allowed: bool | None
    decided_by: Ace | None
    origin: Origin | None
    reason: str
    mend: str | None

    def to_json(self) -> dict[str, Any]:
        """The diagnosis as JSON, the entry as SDDL."""
        return {
            "feature": self.feature,
            "dn": self.dn,
            "operation": self.operation,
            "allowed": self.allowed,
            "decidedBy": None if self.decided_by is None else ace_text(self.decided_by),
            "origin": None if self.origin is None else self.origin.to_json(),
            "reason": self.reason,
            "mend": self.mend,
        }


@dataclass(frozen=True, slots=True)
class DiagnosisResult:
    """What Test-ADSyncPermissions found; ``inferred`` where the account's permissions told the features."""

    account: Principal
    diagnoses: tuple[Diagnosis, ...]
    warnings: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    inferred: bool = False

    @property
    def works(self) -> bool:
        """True when everything is known to go."""
        return all(each.allowed for each in self.diagnoses)

    def to_json(self) -> dict[str, Any]:
        """The result as JSON."""
        return {
            "cmdlet": CMDLET,
            "account": {"dn": self.account.dn, "sid": str(self.account.sid), "name": self.account.name},
            "features": list(self.features),
            "inferred": self.inferred,
            "works": self.works,
            "operations": [each.to_json() for each in self.diagnoses],
            "warnings": list(self.warnings),
        }


def diagnose(directory: Directory, names: Sequence[str], given: DiagnosisParameters) -> DiagnosisResult:
    """Try what the features of these names do; without a name, those that the account's permissions tell.

    Raises ParameterError for a name that is none, and for an object to which no feature does anything; UnknownName
    for an account or object that is not there.
    """
    features = features_named(names) if names else []
    object_dn = given.get("ad_object_dn")
    if object_dn is not None:
        DistinguishedName.parse(object_dn, what="-ADobjectDN")
    account = account_of(directory, given)
    if not names:
        features = told_features(directory, account, object_dn)
    look_below = given.get("look_below")
    limit = DEFAULT_LIMIT if look_below is None else look_below
    run = _Run(directory, account, features)
    warnings = (
        []
        if account.token_sids is not None
        else [
            f"the groups of '{account.dn}' may not be read (tokenGroups), so that what it can do is not known"
        ]
    )
    found: list[Diagnosis] = []
    for target, here in _places(directory, object_dn, features, account=account, limit=limit):
        diagnoses = [each for feature in here for each in run.on(feature, target)]
        found += dict.fromkeys(diagnoses)
        warnings += not_looked_at(target)
    if not found:
        raise ParameterError(
            f"{', '.join(feature.name for feature in features)} does nothing to "
            f"'{object_dn or directory.root.default_naming_context}': name an OU, a domain, or an object of the "
            "classes that it is about"
        )
    return DiagnosisResult(
        account,
        tuple(dict.fromkeys(found)),
        tuple(warnings),
        features=tuple(dict.fromkeys(each.name for each in features)),
        inferred=not names,
    )


def _places(
    directory: Directory, object_dn: str | None, features: list[Feature], *, account: Principal, limit: int
) -> Iterator[tuple[Target, list[Feature]]]:
    """Each target with the features to try on it."""
    if object_dn is not None:
        yield named_target(directory, object_dn, look_below=limit), features
        return
    containers = (REGISTERED_DEVICES, DEVICE_REGISTRATION_CONFIGURATION)
    of_domains = [feature for feature in features if feature not in containers]
    if of_domains:
        for target in targets(directory, None, include_holders=False, account=account, look_below=limit):
            yield target, of_domains
    if len(of_domains) < len(features):
        for feature, target in device_containers(directory, []):
            yield target, [feature]


class _Run:
    """What one run knows, each thing asked for once."""

    def __init__(self, directory: Directory, account: Principal, features: list[Feature]) -> None:
        self._directory = directory
        self._account = account
        self._schema = Schema(directory)
        self._operations = [operation for feature in features for operation in operations_of(feature)]
        wanted = names_of_operations(self._operations)
        for feature in features:
            for kind, names in names_of(feature.grants).items():
                wanted.setdefault(kind, []).extend(names)
        self._names = self._schema.all_known({kind: wanted.get(kind, []) for kind in Kind})
        self._examiners: dict[str, Examiner] = {}
        self._origins: dict[str, Origins] = {}
        self._roots: dict[str, Target] = {}

    def on(self, feature: Feature, target: Target) -> Iterator[Diagnosis]:
        """What of the feature goes on the target and on what is below it; root rights at the root."""
        operations = known_operations(operations_of(feature), self._names)
        examiner = self._examiner(target.domain)
        container = None
        if target.kind is TargetKind.OBJECT:
            container = container_of(self._directory.for_domain(target.domain), target.dn)
        found = effects(operations, target, target.descriptor, examiner, container=container)
        short = list(
            shortfalls(target, target.descriptor, [each.operation for each in found], examiner, lasting=False)
        )
        for effect in found:
            below = [each for each in short if each.operation == effect.operation]
            if effect.after.allowed is False and _on_their_own(effect.operation, target, below):
                reason = "entries of their own grant it on all that are there; nothing that is inherited does"
                name = effect.operation.name
                yield Diagnosis(feature.name, target.dn, name, True, None, None, reason, None)
                continue
            yield self._at_target(feature, effect, target, examiner)
            if effect.after.allowed:
                for each in below:
                    yield self._below(feature, each, target, examiner)
        if target.kind is not TargetKind.DOMAIN:
            at_root = [each for each in operations if each.place is Place.DOMAIN_ROOT]
            if at_root and found:
                root = self._root(target.domain)
                for effect in effects(at_root, root, root.descriptor, examiner):
                    yield self._at_target(feature, effect, root, examiner)

    def _at_target(self, feature: Feature, effect: Effect, target: Target, examiner: Examiner) -> Diagnosis:
        origin = self._origin(target.domain, target.dn, effect.after, single=target.kind is TargetKind.OBJECT)
        mended = None
        if effect.after.allowed is False:
            if effect.after.decided_by is not None and origin is not None:
                mended = mend_denied(self._account, origin)
            elif target.kind is TargetKind.OBJECT and self._origins_of(target.domain).has_admin_count(
                target.dn
            ):
                mended = mend_protected(feature, self._account, self._root(target.domain), target.dn)
            else:
                mended = mend(feature, effect, target, examiner, self._names)
        answer = effect.after
        reason = _reason(answer, origin)
        if answer.allowed is False and answer.decided_by is None and target.kind is TargetKind.OBJECT:
            reason += self._in_the_way(target.domain, target.dn)
        return Diagnosis(
            feature.name,
            target.dn,
            effect.operation.name,
            answer.allowed,
            answer.decided_by,
            origin,
            reason,
            mended,
        )

    def _in_the_way(self, domain: str, dn: str) -> str:
        """What keeps from a single object that which is granted above it, where something does."""
        origins = self._origins_of(domain)
        if origins.has_admin_count(dn):
            return _PROTECTED
        at = origins.blocked_at(dn)
        return "" if at is None else _blocked(at)

    def _below(self, feature: Feature, short: Shortfall, target: Target, examiner: Examiner) -> Diagnosis:
        origin = self._origin(target.domain, short.dn, short.answer, single=True)
        if short.cause is Cause.DENIED and origin is not None:
            mended = mend_denied(self._account, origin)
        elif short.cause is Cause.PROTECTED:
            mended = mend_protected(feature, self._account, self._root(target.domain), short.dn)
        else:
            at = self._target(target.domain, short.at)
            mended = mend_below(feature, short, at, examiner, self._names)
        why = {Cause.BLOCKED: _blocked(short.at), Cause.PROTECTED: _PROTECTED}
        reason = _reason(short.answer, origin) + why.get(short.cause, "")
        ace = short.answer.decided_by
        return Diagnosis(feature.name, short.dn, short.operation.name, False, ace, origin, reason, mended)

    def _examiner(self, domain: str) -> Examiner:
        if domain not in self._examiners:
            self._examiners[domain] = examiner_in(
                self._directory, domain, self._account, self._schema, self._operations, implied=True
            )
        return self._examiners[domain]

    def _origins_of(self, domain: str) -> Origins:
        if domain not in self._origins:
            local = self._directory.for_domain(domain)
            self._origins[domain] = Origins(local, self._examiner(domain).class_guid)
        return self._origins[domain]

    def _origin(self, domain: str, dn: str, answer: Answer, *, single: bool) -> Origin | None:
        """Where the entry comes from that decides; on a target of many objects it stands on the target itself."""
        if answer.decided_by is None:
            return None
        where = DistinguishedName.parse(dn).parent if single and answer.on_container else dn
        return self._origins_of(domain).of(where, answer.decided_by)

    def _root(self, domain: str) -> Target:
        return self._target(domain, self._directory.for_domain(domain).root.default_naming_context)

    def _target(self, domain: str, dn: str) -> Target:
        if dn not in self._roots:
            self._roots[dn] = named_target(self._directory.for_domain(domain), dn)
        return self._roots[dn]


def _on_their_own(operation: Operation, target: Target, below: list[Shortfall]) -> bool:
    """True when there are objects of the operation's class below, and none of them lacks it."""
    there = {
        child.dn
        for child in target.below.children
        if child.object_class == operation.object_class and child.descriptor is not None
    }
    # A container that blocks inheritance is short of what would be made in it, not of what is there.
    return operation.place is Place.OBJECT and bool(there) and not any(each.dn in there for each in below)


def _blocked(at: str) -> str:
    return f"; '{at}' inherits nothing"


def _reason(answer: Answer, origin: Origin | None) -> str:
    """Why, in words."""
    need = answer.lacking
    what = "it" if need is None else rights_in_words(need.rights, need.on[1] if need.on else "")
    if answer.allowed is None:
        return (
            f"not known: {what} could not be looked up" if need else "not known: its groups could not be read"
        )
    if answer.decided_by is None:
        return "granted" if answer.allowed else f"nothing grants it: {what}"
    text = f"{ace_text(answer.decided_by)} {'allows' if answer.allowed else 'denies'} it"
    return text if origin is None else f"{text}, {origin.in_words()}"
