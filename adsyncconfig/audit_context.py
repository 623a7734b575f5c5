"""What an audit knows before it looks at the first object: the forest, the accounts, and what they are held to.

Rule 1: every domain is asked; one that cannot be reached is told, and nothing is said of it.
Rule 2: the containers of what is searched are read first: entries on them tell the features of an account, and
        where each is granted.
Rule 3: features that the caller names are what an account is held to; without any, those that its entries tell
        (``inference``), and the report says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from acl import Ace, Sid

from .account import AccountNames, Principal, account_of, implied_groups, resolve
from .apply import Notify
from .catalogue import CLOUD_SYNC, FEATURES, UNIFIED_GROUP_WRITEBACK, Feature, TargetKind
from .connectors import find_connector_accounts
from .devices import device_containers
from .directory import Directory, Entry
from .dn import DistinguishedName
from .effect import Examiner, token_in
from .errors import ADSyncConfigError, DirectoryError, NotFound, Unreachable
from .facts import (
    PASSWORD_DAYS,
    UNUSED_DAYS,
    AccountFacts,
    AuditContext,
    DomainFacts,
    SeenObject,
    Watched,
    WatchedAs,
)
from .feature_names import features_named
from .filters import AllOf, AnyOf, Equals, StartsWith
from .findings import AuditedAccount
from .forest import domain_of, domains
from .grants import names_of
from .inference import DEVICE_FEATURES, features_told, is_of_cloud_sync
from .operations import names_of_operations, operations_of
from .origin import ADMIN_SD_HOLDER, Origins
from .plan import Target
from .schema import Kind, Schema, bundled
from .search_base import SearchBase, named_base
from .survey import ATTRIBUTES, parent_of, sighted, streamed
from .tier0 import tier0_sids
from .trustees import Trustees
from .words import guid_names

__all__ = ["AuditParameters", "Prepared", "prepare"]

_ACCOUNT: Final = (
    *ATTRIBUTES, "objectSid", "sAMAccountName", "userAccountControl", "pwdLastSet", "lastLogonTimestamp",
    "whenCreated", "description",
)  # fmt: skip
_ACCOUNT_DISABLED: Final = 0x2
#: The containers that a search is made for; roots of domains and CN=Builtin are where they always are.
_CONTAINERS: Final = AnyOf(tuple(Equals("objectClass", each) for each in ("organizationalUnit", "container")))
_FIXED_CONTAINERS: Final = frozenset({"domainDNS", "builtinDomain"})
#: The containers of the picture, beside the plain ones below the root of a domain.
_PLACES: Final = frozenset({"builtinDomain", "domainDNS", "organizationalUnit"})
#: The order in which inferred features are told, whatever order a controller answers in.
_RANKS: Final = {
    each: rank for rank, each in enumerate((*FEATURES.values(), *CLOUD_SYNC.values(), *DEVICE_FEATURES))
}
#: FILETIME counts 100 ns from here (MS-DTYP 2.3.3).
_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)
#: How many written-back groups are looked at to learn where they are.
_SOME_GROUPS: Final = 1000
#: The features whose containers are watched: what the account makes there, it owns.
_WRITEBACK: Final = frozenset({"UnifiedGroupWriteback", "UserGroupCreateDelete", "DeviceWriteback"})


class AuditParameters(AccountNames, total=False):
    """The account, named as every cmdlet names it, or none: then those that the directory shows are audited.

    ``feature`` are the names of the features that they are held to. ``search_base`` is a DN, or the DNS or NetBIOS
    name of a domain; left out: every domain of the forest, its configuration and its schema. ``tier0`` are SIDs
    of trustees that count as administrators beside those of Windows. ``expected`` are, instead of an account and
    features, the accounts with what each is to have, and where. ``notify`` is told of progress.
    """

    feature: Sequence[str] | None
    expected: Mapping[Principal, Mapping[Feature, tuple[Target, ...]]] | None
    search_base: str | None
    tier0: Sequence[Sid]
    password_days: int | None
    unused_days: int | None
    notify: Notify | None
    now: datetime | None


@dataclass(slots=True)
class Prepared:
    """What the survey begins with; ``containers`` are those of the picture, parents in any order."""

    context: AuditContext
    trustees: Trustees
    bases: tuple[SearchBase, ...]
    tops: Mapping[str, SeenObject]
    containers: list[SeenObject]
    not_read: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class _Found:
    """An account that is to be audited, before its features are known."""

    def __init__(self, principal: Principal, found_by: tuple[str, ...], entry: Entry) -> None:
        self.principal = principal
        self.found_by = found_by
        self.entry = entry
        self.domain = DistinguishedName.parse(principal.dn).domain
        self.object_class = (entry.values("objectClass") or ("user",))[-1]
        self.told: dict[Feature, dict[str, Target]] = {}

    @property
    def is_cloud(self) -> bool:
        """True for the kind of account that Cloud Sync uses."""
        return is_of_cloud_sync(self.object_class)


def prepare(
    directory: Directory, given: AuditParameters, names: Iterable[tuple[Kind, str]], *, now: datetime
) -> Prepared:
    """What is known before the first object. Raises ParameterError, UnknownName and DirectoryError."""
    return _Preparation(directory, given, now).run(names)


class _Preparation:
    """The steps, in their order, and what they leave for each other."""

    def __init__(self, directory: Directory, given: AuditParameters, now: datetime) -> None:
        self._directory = directory
        self._given = given
        self._now = now
        self._features = features_named(given.get("feature") or ()) if given.get("feature") else None
        self._tell: Notify = given.get("notify") or (lambda _: None)
        self._not_read: list[str] = []
        self._warnings: list[str] = []
        self._reached: dict[str, Directory] = {}
        self._read: dict[str, SeenObject | None] = {}
        self._implied_groups: dict[str, tuple[Sid, ...]] = {}

    def run(self, names: Iterable[tuple[Kind, str]]) -> Prepared:
        self._reach()
        facts = self._domains()
        bases = self._bases()
        accounts = self._accounts()
        guids, property_sets = self._names(names)
        examiners = {each.principal.sid: self._examiners(each, guids, property_sets) for each in accounts}
        tops = self._tops(bases, next(iter(examiners.values()), {}))
        containers = self._containers(bases, tops, accounts, guids)
        forest_root = self._forest_root(facts)
        trustees = Trustees(facts, self._reached)
        context = AuditContext(
            accounts=tuple(
                self._account(each, bases, tops, guids, examiners[each.principal.sid]) for each in accounts
            ),
            domains=facts,
            now=self._now,
            trustee=trustees,
            guids=guids,
            property_sets=property_sets,
            words=guid_names() | {guid: name for (_, name), guid in guids.items()},
            forest_root_sid=forest_root,
            tier0=tier0_sids(
                [each.sid for each in facts if each.sid is not None],
                forest_root,
                self._given.get("tier0", ()),
            ),
            password_days=_or(self._given.get("password_days"), PASSWORD_DAYS),
            unused_days=_or(self._given.get("unused_days"), UNUSED_DAYS),
        )
        context = replace(
            context,
            watched=tuple(each for account in context.accounts for each in self._watched(account)),
            written_back_in=self._written_back_in(context.accounts),
            heuristics=self._heuristics(),
        )
        return Prepared(context, trustees, bases, tops, containers, self._not_read, self._warnings)

    def _reach(self) -> None:
        """Remember which domains can be reached, and say which cannot."""
        search_base = self._given.get("search_base")
        # A snapshot says what whoever took it could not read.
        self._not_read += getattr(self._directory, "not_read", ())
        for domain in domains(self._directory):
            try:
                self._reached[domain.dns_name] = self._directory.for_domain(domain.dns_name)
            except Unreachable as error:
                if search_base is None:
                    self._not_read.append(f"the domain {domain.dns_name}: {error}")
                else:
                    self._warnings.append(f"who has SIDs of {domain.dns_name} is not known: {error}")

    def _bases(self) -> tuple[SearchBase, ...]:
        """Where to search."""
        search_base = self._given.get("search_base")
        if search_base is not None:
            return (named_base(self._directory, search_base),)
        root = self._directory.root
        found = [SearchBase(each, each.root.default_naming_context) for each in self._reached.values()]
        for dn in (root.configuration_naming_context, root.schema_naming_context):
            seen = self._seen(dn)
            if seen is not None and seen.descriptor is not None:
                found.append(SearchBase(self._directory, dn))
            elif self._directory.caller is None:
                # A snapshot may keep the names of the schema alone.
                self._warnings.append(f"the snapshot holds no permissions of '{dn}': nothing is said of it")
            else:
                self._not_read.append(f"'{dn}': its permissions may not be read")
        return tuple(found)

    def _domains(self) -> tuple[DomainFacts, ...]:
        found = []
        for domain in domains(self._directory):
            local = self._reached.get(domain.dns_name)
            facts = DomainFacts(domain.dns_name, domain.netbios_name, domain.dn)
            if local is not None:
                dn = local.root.default_naming_context
                try:
                    entry = local.get(dn, (*ATTRIBUTES, "objectSid"))
                except DirectoryError as error:
                    if local is self._directory:
                        raise
                    self._not_read.append(f"the domain {domain.dns_name}: {error}")
                    del self._reached[domain.dns_name]
                    found.append(facts)
                    continue
                root = sighted(entry, domain.dns_name)
                holder = self._seen(ADMIN_SD_HOLDER + dn)
                facts = replace(facts, dn=entry.dn, sid=entry.sid(), root=root, admin_sd_holder=holder)
            found.append(facts)
        return tuple(found)

    def _forest_root(self, facts: tuple[DomainFacts, ...]) -> Sid | None:
        said = self._directory.root.forest_root_sid
        if said is not None:
            return Sid.from_string(said)
        name = DistinguishedName.parse(self._directory.root.root_domain_naming_context).domain
        return next((each.sid for each in facts if each.dns_name == name), None)

    def _accounts(self) -> list[_Found]:
        given = self._given
        principals: list[tuple[Principal, tuple[str, ...]]] = []
        if any(
            given.get(name) is not None
            for name in (
                "ad_connector_account_dn",
                "ad_connector_account_name",
                "ad_connector_account_domain",
            )
        ):
            principals.append((account_of(self._directory, given), ()))
        elif (expected := given.get("expected")) is not None:
            principals = [(each, ()) for each in expected]
        else:
            found = find_connector_accounts(self._directory)
            self._warnings += found.warnings
            self._not_read += (f"the permissions of '{dn}'" for dn in found.unread)
            principals = [(resolve(self._directory, dn=each.dn), each.found_by) for each in found.accounts]
            if not principals:
                self._warnings.append(
                    "no connector account was found: name one with -ADConnectorAccountDN to audit what it may do"
                )
        result = []
        for principal, found_by in principals:
            local = domain_of(self._directory, DistinguishedName.parse(principal.dn))
            result.append(_Found(principal, found_by, local.get(principal.dn, _ACCOUNT)))
            if principal.token_sids is None:
                self._not_read.append(
                    f"the groups of '{principal.dn}' (tokenGroups), so that what it can do is not known"
                )
        return result

    def _names(
        self, names: Iterable[tuple[Kind, str]]
    ) -> tuple[dict[tuple[Kind, str], UUID], dict[str, UUID]]:
        """The GUIDs of every name that features, operations and rules use, and the property sets."""
        features = {*FEATURES.values(), *CLOUD_SYNC.values(), *DEVICE_FEATURES}
        wanted: dict[Kind, list[str]] = {kind: [] for kind in Kind}
        for kind, name in names:
            wanted[kind].append(name)
        for feature in features:
            needed = (
                names_of((*feature.grants, *(feature.least or ()))),
                names_of_operations(operations_of(feature)),
            )
            for each in needed:
                for kind, more in each.items():
                    wanted[kind] += more
        schema = Schema(self._directory)
        found = schema.all_known({kind: list(dict.fromkeys(each)) for kind, each in wanted.items()})
        return found, dict(schema.property_sets)

    def _examiners(
        self, account: _Found, guids: Mapping[tuple[Kind, str], UUID], property_sets: Mapping[str, UUID]
    ) -> dict[str, Examiner]:
        found = {}
        for name, local in self._reached.items():
            token = token_in(
                account.principal, name, account_domain=account.domain, more=self._implied(name, local)
            )
            found[name] = Examiner(account.principal, token, guids, property_sets)
        return found

    def _implied(self, name: str, local: Directory) -> tuple[Sid, ...]:
        if name not in self._implied_groups:
            try:
                self._implied_groups[name] = implied_groups(local)
            except DirectoryError:
                self._implied_groups[name] = ()
        return self._implied_groups[name]

    def _tops(self, bases: Iterable[SearchBase], examiners: Mapping[str, Examiner]) -> dict[str, SeenObject]:
        """The object that each search begins with, and where what it inherits comes from."""
        found = {}
        for base in bases:
            domain = base.directory.root.domain
            seen = sighted(base.directory.get(base.dn, ATTRIBUTES), domain, is_top=not _is_context(base))
            if seen.is_top and seen.descriptor is not None:
                examiner = examiners.get(domain)
                origins = Origins(base.directory, examiner.class_guid if examiner else _class_guid)
                from_above: dict[Ace, str] = {
                    ace: origins.of(seen.dn, ace).dn for ace in seen.aces if ace.is_inherited
                }
                seen = replace(seen, origins=from_above)
            found[base.dn] = seen
        return found

    def _containers(
        self,
        bases: Iterable[SearchBase],
        tops: Mapping[str, SeenObject],
        accounts: Sequence[_Found],
        guids: Mapping[tuple[Kind, str], UUID],
    ) -> list[SeenObject]:
        """Every container of what is searched, for the picture; what their entries tell is remembered."""
        found: list[SeenObject] = []
        sids = [each.principal.sid.to_bytes() for each in accounts]
        for base in bases:
            domain = base.directory.root.domain
            root = base.directory.root.default_naming_context
            for entry in self._container_entries(base, tops[base.dn]):
                raw = next(iter(entry.attributes.get("ntsecuritydescriptor", ())), b"")
                is_root = entry.dn == root
                seen = tops[base.dn] if entry.dn == base.dn else sighted(entry, domain)
                if seen.object_class in _PLACES or (
                    seen.object_class == "container" and parent_of(seen.dn) == root
                ):
                    found.append(seen)
                if seen.descriptor is None or not any(sid in raw for sid in sids):
                    continue
                for account in accounts:
                    self._told(account, seen, guids, is_root=is_root)
        for feature, target in self._devices():
            for account in accounts:
                if any(
                    ace.sid == account.principal.sid and ace.is_allow for ace in target.descriptor.dacl or ()
                ):
                    account.told.setdefault(feature, {})[target.dn] = target
        return found

    def _container_entries(self, base: SearchBase, top: SeenObject) -> Iterator[Entry]:
        """The containers at and below the base; only what may stand anywhere is searched for."""
        fixed = [base.dn] if top.object_class in _FIXED_CONTAINERS else []
        if top.object_class == "domainDNS":
            fixed.append(f"CN=Builtin,{base.dn}")
        for dn in fixed:
            try:
                yield base.directory.get(dn, ATTRIBUTES)
            except NotFound:
                continue  # a snapshot of a search base may leave it out
        yield from streamed(base, _CONTAINERS, ATTRIBUTES, lost=self._lost_containers, tell=self._tell)

    def _lost_containers(self, what: str) -> None:
        self._not_read.append(f"containers below {what}; features that are told there may be missing")

    def _told(
        self, account: _Found, seen: SeenObject, guids: Mapping[tuple[Kind, str], UUID], *, is_root: bool
    ) -> None:
        for feature in features_told(
            account.principal.sid, seen.aces, guids, is_root=is_root, cloud=account.is_cloud
        ):
            account.told.setdefault(feature, {})[seen.dn] = _target(seen, is_root=is_root)

    def _devices(self) -> list[tuple[Feature, Target]]:
        if self._given.get("search_base") is not None and self._features is None:
            return []
        try:
            return device_containers(self._directory, [])
        except ADSyncConfigError:
            return []

    def _account(
        self,
        found: _Found,
        bases: Sequence[SearchBase],
        tops: Mapping[str, SeenObject],
        guids: Mapping[tuple[Kind, str], UUID],
        examiners: Mapping[str, Examiner],
    ) -> AccountFacts:
        """The account with the features that it is held to, and where."""
        told = found.told
        for local in self._reached.values():
            root = self._seen(local.root.default_naming_context)
            if root is not None:
                # Those of the root tell of the account though only an OU of the domain is searched.
                for feature in features_told(
                    found.principal.sid, root.aces, guids, is_root=True, cloud=found.is_cloud
                ):
                    told.setdefault(feature, {})
        expected = (self._given.get("expected") or {}).get(found.principal)
        if expected is not None:
            features, scopes = tuple(expected), dict(expected)
        else:
            features = tuple(self._features or sorted(told, key=_RANKS.__getitem__))
            scopes = {each: self._scope(each, told.get(each, {}), bases, tops) for each in features}
        entry = found.entry
        control = entry.text("userAccountControl")
        names = tuple(
            dict.fromkeys(each.name for each in features if each.name != "DeviceWritebackConfiguration")
        )
        return AccountFacts(
            audited=AuditedAccount(
                found.principal, names, self._features is None and expected is None, found.found_by
            ),
            domain=found.domain,
            features=tuple(features),
            tokens={name: each.token for name, each in examiners.items()},
            examiners=examiners,
            scopes=scopes,
            is_scoped=expected is not None,
            enabled=None if control is None else not int(control) & _ACCOUNT_DISABLED,
            password_set=_file_time(entry.text("pwdLastSet")),
            last_logon=_file_time(entry.text("lastLogonTimestamp")),
            created=_generalized_time(entry.text("whenCreated")),
            description=entry.text("description"),
            object_class=found.object_class,
            seen=sighted(entry, found.domain),
        )

    def _scope(
        self,
        feature: Feature,
        told: Mapping[str, Target],
        bases: Sequence[SearchBase],
        tops: Mapping[str, SeenObject],
    ) -> tuple[Target, ...]:
        """Where the feature is granted; where nothing tells, the domains that are searched, or the search base."""
        if told or feature in DEVICE_FEATURES:
            devices = [target for each, target in self._devices() if each == feature]
            return tuple(told.values()) or tuple(devices)
        found = []
        for base in bases:
            seen, is_root = tops[base.dn], base.dn == base.directory.root.default_naming_context
            if seen.descriptor is not None and (is_root or (seen.is_top and feature.takes_object)):
                found.append(_target(seen, is_root=is_root))
        return tuple(found)

    def _watched(self, account: AccountFacts) -> Iterable[Watched]:
        """The account and what it writes back to, each with all that is above it."""
        if account.seen is not None:
            yield Watched(account.seen, WatchedAs.ACCOUNT, account, account.dn)
            for seen in self._above(account.dn):
                yield Watched(seen, WatchedAs.ABOVE_ACCOUNT, account, account.dn)
        for feature, targets in account.scopes.items():
            for target in targets:
                if feature.name in _WRITEBACK and target.kind is not TargetKind.DOMAIN:
                    container = self._seen(target.dn)
                    if container is not None:
                        yield Watched(container, WatchedAs.WRITEBACK, account, target.dn)
                    for above in self._above(target.dn):
                        yield Watched(above, WatchedAs.ABOVE_WRITEBACK, account, target.dn)

    def _written_back_in(self, accounts: Iterable[AccountFacts]) -> tuple[SeenObject, ...]:
        """The containers of the groups that were written back, where an account is held to group writeback."""
        if not any(
            each.name == UNIFIED_GROUP_WRITEBACK.name for account in accounts for each in account.features
        ):
            return ()
        condition = AllOf((Equals("objectClass", "group"), StartsWith("adminDescription", "Group_")))
        places: dict[str, None] = {}
        for local in self._reached.values():
            root = local.root.default_naming_context
            try:
                for entry in local.search(root, condition, ["adminDescription"], limit=_SOME_GROUPS):
                    places[parent_of(entry.dn)] = None
            except DirectoryError:
                continue  # the search of everything will say so
        return tuple(place for dn in places if (place := self._seen(dn)) is not None)

    def _heuristics(self) -> str | None:
        """The forest's dSHeuristics."""
        dn = f"CN=Directory Service,CN=Windows NT,CN=Services,{self._directory.root.configuration_naming_context}"
        try:
            return self._directory.get(dn, ["dSHeuristics"]).text("dSHeuristics")
        except DirectoryError:
            return None

    def _above(self, dn: str) -> Iterable[SeenObject]:
        while (dn := parent_of(dn)) and (seen := self._seen(dn)) is not None:
            yield seen

    def _seen(self, dn: str) -> SeenObject | None:
        """The object, read once; None where it is not there."""
        if dn not in self._read:
            name = DistinguishedName.parse(dn).domain
            local = self._reached.get(name, self._directory)
            try:
                self._read[dn] = sighted(local.get(dn, ATTRIBUTES), name)
            except ADSyncConfigError:
                self._read[dn] = None
        return self._read[dn]


def _is_context(base: SearchBase) -> bool:
    root = base.directory.root
    return base.dn in (
        root.default_naming_context,
        root.configuration_naming_context,
        root.schema_naming_context,
    )


def _target(seen: SeenObject, *, is_root: bool) -> Target:
    if seen.descriptor is None:
        raise DirectoryError(f"the permissions of '{seen.dn}' could not be read", dn=seen.dn)
    kind = TargetKind.DOMAIN if is_root else TargetKind.CONTAINER
    return Target(kind, seen.domain, seen.dn, seen.dn, seen.object_class, seen.descriptor)


def _class_guid(name: str) -> UUID:
    return bundled(Kind.CLASS).get(name, UUID(int=0))


def _or(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def _file_time(text: str | None) -> datetime | None:
    """A FILETIME as a time; None for none, never and 0."""
    try:
        return _EPOCH + timedelta(microseconds=int(text) // 10) if text and int(text) > 0 else None
    except (ValueError, OverflowError):
        return None


def _generalized_time(text: str | None) -> datetime | None:
    try:
        return datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC) if text else None
    except ValueError:
        return None
