"""The facts of an audit written by hand: a forest of one domain, one connector account, and objects as SDDL.

Names in SDDL that stand for SIDs: ME the connector, HELPERS a group that it is in, HELPDESK a group outside tier 0,
BOB one of its members, ADMIN a member of Domain Admins.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from acl import SecurityDescriptor, Sid
from acl.sddl import ace_from_sddl
from acl.token import Token
from adsyncconfig.account import Principal
from adsyncconfig.catalogue import FEATURES, Feature
from adsyncconfig.effect import Examiner
from adsyncconfig.expected import NAMES
from adsyncconfig.facts import (
    AccountFacts,
    AuditContext,
    DomainFacts,
    SeenObject,
    Trustee,
    Watched,
    WatchedAs,
)
from adsyncconfig.findings import AuditedAccount, Finding
from adsyncconfig.schema import Kind, bundled, bundled_property_sets
from adsyncconfig.tier0 import tier0_sids
from adsyncconfig.words import guid_names

DOMAIN = Sid.from_string("S-1-5-21-1-2-3")
ROOT = "DC=contoso,DC=example"
ACCOUNT_DN = f"CN=MSOL_0123456789ab,CN=Users,{ROOT}"
SIDS = {"ME": 1102, "HELPERS": 1200, "HELPDESK": 1300, "BOB": 1301, "ADMIN": 1302, "GONE": 1303}
ME, HELPERS, HELPDESK, BOB, ADMIN, GONE = (DOMAIN.child(rid) for rid in SIDS.values())
DOMAIN_ADMINS = DOMAIN.child(512)
NOW = datetime(2025, 6, 1, tzinfo=UTC)

CLASS, ATTRIBUTE, RIGHT = bundled(Kind.CLASS), bundled(Kind.ATTRIBUTE), bundled(Kind.RIGHT)
_TRUSTEES = {
    ME: Trustee(ME, "CONTOSO\\MSOL_0123456789ab", True, ACCOUNT_DN, "user", frozenset()),
    HELPERS: Trustee(HELPERS, "CONTOSO\\Helpers", True, f"CN=Helpers,{ROOT}", "group", frozenset()),
    HELPDESK: Trustee(HELPDESK, "CONTOSO\\Helpdesk", True, f"CN=Helpdesk,{ROOT}", "group", frozenset()),
    BOB: Trustee(BOB, "CONTOSO\\bob", True, f"CN=Bob,{ROOT}", "user", frozenset({HELPDESK})),
    ADMIN: Trustee(ADMIN, "CONTOSO\\admin", True, f"CN=Admin,{ROOT}", "user", frozenset({DOMAIN_ADMINS})),
    GONE: Trustee(GONE, str(GONE), False),
    DOMAIN_ADMINS: Trustee(
        DOMAIN_ADMINS, "CONTOSO\\Domain Admins", True, f"CN=Domain Admins,CN=Users,{ROOT}", "group",
        frozenset({Sid.BUILTIN_ADMINISTRATORS}),
    ),
}  # fmt: skip


def trustee(sid: Sid) -> Trustee:
    from adsyncconfig.well_known import WELL_KNOWN_NAMES  # noqa: PLC0415

    return _TRUSTEES.get(sid) or Trustee(sid, WELL_KNOWN_NAMES.get(sid, str(sid)), True, groups=frozenset())


def sddl(text: str) -> str:
    """The text with SIDs and GUIDs in place of names: ME, [user], [Reset], ..."""
    for name, rid in SIDS.items():
        text = text.replace(name, str(DOMAIN.child(rid)))
    for table in (CLASS, ATTRIBUTE, RIGHT):
        for name, guid in table.items():
            text = text.replace(f"[{name}]", str(guid))
    return text


def seen(dn: str, dacl: str, object_class: str = "organizationalUnit", **more: Any) -> SeenObject:
    """An object of the domain; ``dacl`` may begin with flags, and with an owner in front."""
    text = dacl if "D:" in dacl else f"D:{dacl}"
    descriptor = SecurityDescriptor.from_sddl(sddl(text), domain_sid=DOMAIN, forest_root_sid=DOMAIN)
    full = dn if dn.endswith(ROOT) else f"{dn},{ROOT}"
    return SeenObject(full, object_class, "contoso.example", descriptor, **more)


def context(
    *features: str | Feature,
    groups: Iterable[Sid] = (),
    account: SeenObject | None = None,
    root: SeenObject | None = None,
    holder: SeenObject | None = None,
    watched: Iterable[tuple[SeenObject, WatchedAs, str]] = (),
    **more: Any,
) -> AuditContext:
    """What an audit knows of a connector with these features, in these groups."""
    guids: dict[tuple[Kind, str], UUID] = {
        (kind, name): bundled(kind)[name] for kind, name in NAMES if name in bundled(kind)
    }
    held = tuple(FEATURES[each] if isinstance(each, str) else each for each in features)
    principal = Principal(ACCOUNT_DN, ME, "MSOL_0123456789ab", tuple(groups))
    token = Token.for_account(ME, groups)
    facts = AccountFacts(
        AuditedAccount(principal, tuple(each.name for each in held), inferred=False),
        "contoso.example",
        held,
        {"contoso.example": token},
        {"contoso.example": Examiner(principal, token, guids, bundled_property_sets())},
        seen=account,
        **more,
    )
    return AuditContext(
        accounts=(facts,),
        domains=(DomainFacts("contoso.example", "CONTOSO", ROOT, DOMAIN, root, holder),),
        now=NOW,
        trustee=trustee,
        guids=guids,
        property_sets=bundled_property_sets(),
        words=guid_names() | {guid: name for (_, name), guid in guids.items()},
        forest_root_sid=DOMAIN,
        tier0=tier0_sids([DOMAIN], DOMAIN),
        watched=tuple(Watched(each, role, facts, target) for each, role, target in watched),
    )


def ids(findings: Iterable[Finding]) -> list[str]:
    """The ids of the findings' rules, sorted."""
    return sorted(each.rule.id for each in findings)


def same_entry(one: str, other: str) -> bool:
    """True when both texts are the same entry."""
    return ace_from_sddl(one) == ace_from_sddl(sddl(other))
