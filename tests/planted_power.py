"""One instance of every finding of excess and takeover, planted in the directory of ``planted_directory``.

Each account has one thing: GREEDY holds entries that no feature needs, WIDE the full forms of two features, OPEN is
not locked, OLD has an old password, UNUSED is disabled. Helpdesk is a group outside tier 0.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Final

import samba_lab
from planted_directory import DOMAIN, FOREST_WIDE, HOLDER, SERVICES, Garden, Plant, at

from adsyncconfig.schema import Kind, bundled

GREEDY: Final = f"CN=MSOL_0000000000d4,{SERVICES}"
WIDE: Final = f"CN=MSOL_0000000000e5,{SERVICES}"
DELEGATING: Final = f"CN=MSOL_0000000000f6,{SERVICES}"
OLD: Final = f"CN=MSOL_000000000007,{SERVICES}"
UNUSED: Final = f"CN=MSOL_000000000008,{SERVICES}"
OPEN: Final = f"CN=MSOL_000000000009,{at('Open')}"
OWNED: Final = f"CN=MSOL_00000000000a,{SERVICES}"
HELPDESK: Final = f"CN=Helpdesk,{SERVICES}"

_CLASS, _ATTRIBUTE, _RIGHT = bundled(Kind.CLASS), bundled(Kind.ATTRIBUTE), bundled(Kind.RIGHT)
_ALL: Final = "CCDCLCSWRPWPDTLOCRSDRCWDWO"
#: pwdLastSet takes no other time than now, but from a tool beside the database that says so.
_WITHOUT_PWD_LAST_SET: Final = "local_oid:1.3.6.1.4.1.7165.4.3.20:0"
_OLD_PASSWORD: Final = """
import sys
from samba import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
configuration, url, dn, control = sys.argv[1:]
database = SamDB(url=url, session_info=system_session(), lp=LoadParm(filename_for_non_global_lp=configuration))
change = ldb.Message(ldb.Dn(database, dn))
change["pwdLastSet"] = ldb.MessageElement("130000000000000000", ldb.FLAG_MOD_REPLACE, "pwdLastSet")
database.modify(change, controls=[control])
"""


def _greedy(garden: Garden) -> str:
    """The SID of the account that holds too much; made once."""
    if GREEDY not in garden.sids:
        garden.connector(GREEDY)
    return garden.sids[GREEDY]


def _helpdesk(garden: Garden) -> str:
    if HELPDESK not in garden.sids:
        garden.group("Helpdesk", SERVICES)
    return garden.sids[HELPDESK]


def _too_much(rule: str, entry: str) -> Plant:
    """An OU with an entry of the greedy account; ``{}`` is its SID."""
    name = rule.replace("-", " ").title()

    def plant(garden: Garden) -> None:
        garden.entries(garden.ou(name), entry.format(_greedy(garden)))

    return Plant(f"excess-{rule}", at(name), plant, _shown(entry), account="MSOL_0000000000d4")


def _on(rule: str, dn: str, entry: str, who: Callable[[Garden], str]) -> Plant:
    """An entry on an object that is there."""

    def plant(garden: Garden) -> None:
        garden.entries(dn, entry.format(who(garden)))

    return Plant(rule, dn, plant, _shown(entry))


def _shown(entry: str) -> str:
    """What of an entry the finding is to show, whatever the order of its rights."""
    return entry.split(";", 3)[3].rstrip(")").replace("{}", "")


def _of_class(right: str, attribute: str, object_class: str) -> str:
    return f"(OA;CIIO;{right};{_ATTRIBUTE[attribute]};{_CLASS[object_class]};{{}})"


def _privileged(garden: Garden) -> None:
    _greedy(garden)
    garden.join(f"CN=Backup Operators,CN=Builtin,{DOMAIN}", GREEDY)


def _wide(garden: Garden) -> None:
    garden.connector(WIDE)
    garden.grant("unified_group_writeback", WIDE, garden.ou("Handed Over"))


def _exchange(garden: Garden) -> None:
    garden.grant("exchange_hybrid", WIDE, garden.ou("Every Attribute"))


def _already_there(garden: Garden) -> None:
    """The instance is another rule's too."""


def _open(garden: Garden) -> None:
    ou = garden.ou("Open")
    garden.entries(
        ou, f"(OA;CIIO;CR;{_RIGHT['User-Force-Change-Password']};{_CLASS['user']};{_helpdesk(garden)})"
    )
    garden.user("MSOL_000000000009", ou, description="made by hand")


def _writeback(garden: Garden) -> None:
    garden.connector(DELEGATING)
    ou = garden.ou("Delegated")
    garden.grant("unified_group_writeback", DELEGATING, ou, least_privilege=True)
    garden.entries(ou, f"(A;;WD;;;{_helpdesk(garden)})")


def _above(garden: Garden) -> None:
    upper = garden.ou("Upper")
    garden.grant("unified_group_writeback", DELEGATING, garden.ou("Lower", upper), least_privilege=True)
    garden.entries(upper, f"(OA;;WP;{_ATTRIBUTE['gPLink']};;{_helpdesk(garden)})")


def _owned(garden: Garden) -> None:
    garden.connector(OWNED)
    garden.own(OWNED, _helpdesk(garden))


def _old(garden: Garden) -> None:
    garden.connector(OLD)
    folder = garden.controller.folder
    interpreter = samba_lab._samba_python()
    assert interpreter is not None
    url = f"tdb://{folder / 'private' / 'sam.ldb'}"
    arguments = [str(folder / "etc" / "smb.conf"), url, OLD, _WITHOUT_PWD_LAST_SET]
    subprocess.run([interpreter, "-I", "-c", _OLD_PASSWORD, *arguments], check=True, capture_output=True)


def _unused(garden: Garden) -> None:
    garden.connector(UNUSED)
    garden.grant("ms_ds_consistency_guid", UNUSED, garden.ou("Forgotten"))
    garden.set(UNUSED, userAccountControl="514")


PLANTS: Final[tuple[Plant, ...]] = (
    _too_much("full-control", f"(A;;{_ALL};;;{{}})"),
    _too_much("write-permissions", "(A;;WD;;;{})"),
    _too_much("write-everything", f"(OA;CIIO;WP;;{_CLASS['user']};{{}})"),
    _too_much("every-extended-right", "(A;;CR;;;{})"),
    _too_much(
        "reset-password", f"(OA;CIIO;CR;{_RIGHT['User-Force-Change-Password']};{_CLASS['computer']};{{}})"
    ),
    _too_much("key-credentials", _of_class("WP", "msDS-KeyCredentialLink", "user")),
    _too_much("delegation", _of_class("WP", "msDS-AllowedToActOnBehalfOfOtherIdentity", "computer")),
    _too_much("certificate-mapping", _of_class("WP", "altSecurityIdentities", "user")),
    _too_much(
        "managed-password", _of_class("WP", "msDS-GroupMSAMembership", "msDS-GroupManagedServiceAccount")
    ),
    _too_much("logon-script", _of_class("WP", "scriptPath", "user")),
    _too_much("service-principal-names", _of_class("WP", "servicePrincipalName", "computer")),
    _too_much("account-control", _of_class("WP", "userAccountControl", "computer")),
    _too_much("source-anchor", _of_class("WP", "mS-DS-ConsistencyGuid", "group")),
    _too_much("group-members", _of_class("WP", "member", "group")),
    _too_much("group-policy-link", f"(OA;;WP;{_ATTRIBUTE['gPLink']};;{{}})"),
    _too_much("create-or-delete", f"(OA;;CCDC;{_CLASS['computer']};;{{}})"),
    _too_much("write-container", "(A;;WP;;;{})"),
    _too_much("other-right", _of_class("WP", "description", "user")),
    _on(
        "excess-replication",
        DOMAIN,
        f"(OA;;CR;{_RIGHT['DS-Replication-Get-Changes-In-Filtered-Set']};;{{}})",
        _greedy,
    ),
    _on(
        "excess-replicate-changes", DOMAIN, f"(OA;;CR;{_RIGHT['DS-Replication-Get-Changes']};;{{}})", _greedy
    ),
    _on("excess-admin-sd-holder", HOLDER, f"(OA;;WP;{_ATTRIBUTE['member']};;{{}})", _greedy),
    _on("excess-admin-sd-holder-attributes", HOLDER, f"(OA;;WP;{_ATTRIBUTE['mail']};;{{}})", _greedy),
    Plant("excess-privileged-group", GREEDY, _privileged),
    Plant("excess-group-writeback-wide", at("Handed Over"), _wide, f";{_CLASS['group']};{{{WIDE}}}"),
    Plant("excess-group-writeback-domain", DOMAIN, _already_there, f";{_CLASS['group']};{{{FOREST_WIDE}}}"),
    Plant("excess-exchange-hybrid-wide", at("Every Attribute"), _exchange, f";{_CLASS['user']};{{{WIDE}}}"),
    Plant(
        "takeover-account",
        OPEN,
        _open,
        f"{_RIGHT['User-Force-Change-Password']};{_CLASS['user']};{{{HELPDESK}}}",
    ),
    Plant("takeover-account-not-restricted", OPEN, _already_there),
    Plant("takeover-writeback-container", at("Delegated"), _writeback, f"WD;;;{{{HELPDESK}}}"),
    Plant("takeover-above", at("Upper"), _above, f"{_ATTRIBUTE['gPLink']};;{{{HELPDESK}}}"),
    _on("takeover-above-blocked", SERVICES, "(A;;WO;;;{})", _helpdesk),
    _on("takeover-domain", DOMAIN, f"(OA;;CR;{_RIGHT['DS-Replication-Get-Changes-All']};;{{}})", _helpdesk),
    _on("takeover-admin-sd-holder", HOLDER, f"(OA;;WP;{_ATTRIBUTE['member']};;{{}})", _helpdesk),
    Plant("takeover-owner", OWNED, _owned),
    Plant("takeover-old-password", OLD, _old),
    Plant("takeover-unused-account", UNUSED, _unused),
)
