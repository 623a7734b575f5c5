"""What the rules of an audit look at, as values: the forest, its accounts, and one object of it. No I/O.

A rule is a pure function over these. A module of rules exports

    RULES           its rules, each a ``Rule``
    NAMES           the classes, attributes and rights that it asks ``AuditContext.guid`` for
    CHECKS          what it looks at: ``ObjectCheck``, asked about each object of the survey; ``ContextCheck``,
                    asked once, with what is known of the accounts and the watched objects; ``SurveyCheck``, asked
                    once after the last object

Rule 1: whether an object check finds something depends on the object's descriptor, class, domain and adminCount
        alone, so that a check which found nothing is not asked again for an object that is equal in these. Where
        the answer depends on more, ``concerns`` says by these alone whether it is to be asked at all.
Rule 2: what an object inherits is judged where it is an entry of its own; the object at which a search begins
        stands for all that is above it (``SeenObject.aces``).
Rule 3: a finding names one object. An audit keeps the first of each rule and counts the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final, NamedTuple
from uuid import UUID

from acl import Ace, SecurityDescriptor, Sid
from acl.token import Token

from .catalogue import Feature
from .effect import Examiner
from .findings import AuditedAccount, Evidence, Finding, Rule
from .plan import Target, ace_text
from .schema import Kind
from .words import in_words

__all__ = [
    "AccountFacts",
    "AuditContext",
    "Check",
    "ContextCheck",
    "DomainFacts",
    "ObjectCheck",
    "SeenObject",
    "SidUse",
    "SurveyCheck",
    "Surveyed",
    "Trustee",
    "Watched",
    "WatchedAs",
]

#: Days after which a password counts as old (Defender for Identity's assessment), and an account as unused.
PASSWORD_DAYS: Final = 90
UNUSED_DAYS: Final = 90


@dataclass(frozen=True, slots=True)
class SeenObject:
    """An object as the survey saw it.

    ``domain`` is a DNS name. ``descriptor`` is None where it could not be read; ``unreadable`` then says why.
    ``is_top`` where a search began, below the root of a naming context: what it inherits comes from outside the
    search. ``origins`` gives, for such entries, the object that holds each as its own. ``is_written_back`` for a
    group of group writeback, ``is_critical`` for what Windows marks so. ``groups`` are those that it is in, through
    others too, and itself; they are read for objects with adminCount alone, and None where they may not be.
    """

    dn: str
    object_class: str
    domain: str
    descriptor: SecurityDescriptor | None
    admin_count: bool = False
    unreadable: str | None = None
    is_top: bool = False
    is_written_back: bool = False
    is_critical: bool = False
    groups: frozenset[Sid] | None = None
    origins: Mapping[Ace, str] = field(default_factory=dict)

    @property
    def aces(self) -> tuple[Ace, ...]:
        """The entries that are judged here: the object's own, and at the top of a search all."""
        if self.descriptor is None or self.descriptor.dacl is None:
            return ()
        every = self.descriptor.dacl.aces
        return every if self.is_top else tuple(ace for ace in every if not ace.is_inherited)

    @property
    def owner(self) -> Sid | None:
        """The owner; None where it is not known."""
        return None if self.descriptor is None else self.descriptor.owner


class Trustee(NamedTuple):
    """Who has a SID: ``name`` as ``DOMAIN\\name`` or the SID itself.

    ``exists`` is None where that cannot be known: of a trusted domain, or one that was not reached. ``groups`` are
    the groups that it is in, through others too; None where they may not be read.
    """

    sid: Sid
    name: str
    exists: bool | None = None
    dn: str | None = None
    object_class: str | None = None
    groups: frozenset[Sid] | None = None


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """A connector account: what it is held to, and its entry.

    ``features`` are those of ``audited`` from the catalogue. ``scopes`` are, by feature, the objects that it is
    granted on, or is to be, as far as they are in what is searched; ``is_scoped`` where it is to be granted nothing
    outside them. ``tokens`` and ``examiners`` are by DNS names
    of domains; a token is None where the account's groups may not be read. Times are in UTC, None where there is
    none; ``last_logon`` is lastLogonTimestamp, which lags up to 14 days behind.
    """

    audited: AuditedAccount
    domain: str
    features: tuple[Feature, ...]
    tokens: Mapping[str, Token | None]
    examiners: Mapping[str, Examiner]
    scopes: Mapping[Feature, tuple[Target, ...]] = field(default_factory=dict)
    is_scoped: bool = False
    enabled: bool | None = None
    password_set: datetime | None = None
    last_logon: datetime | None = None
    created: datetime | None = None
    description: str | None = None
    object_class: str = "user"
    seen: SeenObject | None = None

    @property
    def sid(self) -> Sid:
        """The account's own SID."""
        return self.audited.principal.sid

    @property
    def dn(self) -> str:
        """The account's DN."""
        return self.audited.principal.dn

    @property
    def name(self) -> str:
        """The account's name, as findings have it."""
        return self.audited.principal.name

    def speaks(self, sid: Sid | None, domain: str) -> bool:
        """True when an entry of this SID counts for the account in the domain."""
        token = self.tokens.get(domain)
        return sid is not None and (sid == self.sid or (token is not None and sid in token.sids))


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """A domain of the forest; its root and AdminSDHolder as seen, None where the domain was not reached."""

    dns_name: str
    netbios_name: str
    dn: str
    sid: Sid | None = None
    root: SeenObject | None = None
    admin_sd_holder: SeenObject | None = None


class WatchedAs(Enum):
    """Why an object is watched: whoever controls it controls a connector account, or what it writes."""

    ACCOUNT = "the connector account"
    ABOVE_ACCOUNT = "above the connector account"
    WRITEBACK = "the container that it writes back to"
    ABOVE_WRITEBACK = "above the container that it writes back to"


@dataclass(frozen=True, slots=True)
class Watched:
    """An object that matters by what it is, with all its entries, inherited ones included.

    ``of`` is the account that it is watched for; ``target`` the DN of that account, or of the container.
    """

    seen: SeenObject
    role: WatchedAs
    of: AccountFacts
    target: str


@dataclass(frozen=True, slots=True)
class AuditContext:
    """All that rules know beside the object at hand.

    ``trustee`` tells who has a SID; it may ask the directory, once for each. ``guids`` and ``property_sets`` (by
    attribute in lower case) are the names of this forest that the rules' ``NAMES`` ask for. ``words`` gives the
    names of GUIDs that sentences use. ``written_back_in`` are the containers of groups of group writeback, and
    ``heuristics`` the forest's dSHeuristics.
    """

    accounts: tuple[AccountFacts, ...]
    domains: tuple[DomainFacts, ...]
    now: datetime
    trustee: Callable[[Sid], Trustee]
    guids: Mapping[tuple[Kind, str], UUID]
    property_sets: Mapping[str, UUID] = field(default_factory=dict)
    words: Mapping[UUID, str] = field(default_factory=dict)
    forest_root_sid: Sid | None = None
    tier0: frozenset[Sid] = frozenset()
    watched: tuple[Watched, ...] = ()
    written_back_in: tuple[SeenObject, ...] = ()
    heuristics: str | None = None
    password_days: int = PASSWORD_DAYS
    unused_days: int = UNUSED_DAYS

    def guid(self, kind: Kind, name: str) -> UUID | None:
        """What the name stands for in this forest; None where it has no such name."""
        return self.guids.get((kind, name))

    def domain(self, dns_name: str) -> DomainFacts | None:
        """The domain of this name."""
        return next((each for each in self.domains if each.dns_name == dns_name), None)

    def is_tier0(self, sid: Sid) -> bool:
        """True for tier 0 itself, and for who is a member of one of its groups, through others too."""
        if sid in self.tier0:
            return True
        groups = self.trustee(sid).groups
        return groups is not None and not groups.isdisjoint(self.tier0)

    def name(self, sid: Sid) -> str:
        """``DOMAIN\\name``, or the SID itself."""
        return self.trustee(sid).name

    def evidence(self, ace: Ace, seen: SeenObject | None = None) -> Evidence:
        """The entry as a finding shows it; with the object, where it comes from too."""
        who = "" if ace.sid is None else self.name(ace.sid)
        origin = None if seen is None else seen.origins.get(ace)
        return Evidence(ace_text(ace), in_words(ace, who, self.words), origin)


class ObjectCheck(NamedTuple):
    """Rules that are asked about each object; see rule 1 above for what the answer may depend on."""

    rules: tuple[Rule, ...]
    look: Callable[[AuditContext, SeenObject], Iterator[Finding]]
    concerns: Callable[[AuditContext, SeenObject], bool] | None = None


class ContextCheck(NamedTuple):
    """Rules that are asked once."""

    rules: tuple[Rule, ...]
    look: Callable[[AuditContext], Iterator[Finding]]


class SidUse(NamedTuple):
    """Where a SID stands in entries of their own: how many objects, the first of them, and one entry."""

    sid: Sid
    objects: int
    dns: tuple[str, ...]
    ace: Ace


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What the survey leaves: containers that inherit nothing, SIDs that no domain of the forest has any more.

    ``below`` counts the objects that were seen below a DN.
    """

    blocked: tuple[SeenObject, ...]
    gone: tuple[SidUse, ...]
    below: Callable[[str], int]


class SurveyCheck(NamedTuple):
    """Rules that are asked once, after the last object."""

    rules: tuple[Rule, ...]
    look: Callable[[AuditContext, Surveyed], Iterator[Finding]]


Check = ObjectCheck | ContextCheck | SurveyCheck
