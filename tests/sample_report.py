"""An audit's report as a big organisation might get it, and one of a hostile directory: for the forms to print.

Made by hand and not by the audit, so that a form is tested on everything that a report may hold. The rules are
examples; those of the audit have ids of their own.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import UTC, date, datetime

from acl import Sid
from adsyncconfig.account import Principal
from adsyncconfig.findings import (
    Acceptance,
    AuditedAccount,
    AuditReport,
    Category,
    Evidence,
    Finding,
    Place,
    Power,
    Rule,
    Severity,
)

__all__ = ["HOSTILE_NAMES", "big_tree", "clean_report", "hostile_report", "sample_report"]

DOMAIN = "DC=contoso,DC=example"
SID = "S-1-5-21-1004336348-1177238915-682003330"
MAIN, CLOUD, OLD = "MSOL_0123456789ab", "provAgentgMSA$", "MSOL_ffeeddccbbaa"
GROUP = "bf967a9c-0de6-11d0-a285-00aa003049e2"

#: Names that each attack another form, or all of them.
HOSTILE_NAMES = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "]]>--></textarea>",
    "</style></title></svg>",
    "' onmouseover='alert(3)",
    "javascript:alert(4)",
    "a\u202egnp.exe\u2066",
    "\x1b[2J\x1b]0;owned\x07red",
    "\x9b31mC1",
    "=cmd|' /C calc'!A0",
    "+1-1",
    "@SUM(A1)",
    "| a | b | ![x](http://evil.example/x.png) [l](javascript:alert(5))",
    "``` ` ````` ~~~",
    "$(touch /tmp/owned) `id` $HOME; 'x' \\",
    "{{7*7}} ${7*7} &amp; &lt;",
    "line one\nline two\r\n# heading",
    "half \udcff a pair",
    "zero\u200bwidth\u00adjoin",
    "東京 Büro Ω",
)


RULES: Mapping[str, Rule] = {
    each.id: each
    for each in (
        Rule(
            "takeover-password",
            Category.TAKEOVER,
            Severity.CRITICAL,
            "Someone outside tier 0 can reset a connector account's password",
            "Who sets the password of a connector account is that account from then on: with password hash "
            "synchronisation it reads every password hash of the domain.",
            "Take the right from the account's object, or lock it with Set-ADSyncRestrictedPermissions.",
        ),
        Rule(
            "excess-full-control",
            Category.EXCESS,
            Severity.CRITICAL,
            "A connector account has full control where no feature needs it",
            "Full control holds the right to change permissions, and so every other right. Who takes the "
            "synchronisation server has the whole domain.",
            "Grant what the features need, then take full control away.",
        ),
        Rule(
            "excess-write-dacl",
            Category.EXCESS,
            Severity.HIGH,
            "A connector account may change permissions",
            "An account that changes permissions can give itself any other.",
            "Take the entry away.",
        ),
        Rule(
            "excess-key-credentials",
            Category.EXCESS,
            Severity.HIGH,
            "A connector account may write key credentials",
            "Who writes msDS-KeyCredentialLink of an account can log on as it without knowing its password.",
            "Take the entry away, or name the device writeback feature that needs it.",
        ),
        Rule(
            "takeover-ou",
            Category.TAKEOVER,
            Severity.HIGH,
            "Someone outside tier 0 controls an OU above a connector account",
            "Permissions of an OU are inherited: who writes them decides who controls the account in it.",
            "Move the account to an OU of tier 0, or take the right away.",
        ),
        Rule(
            "missing-grant",
            Category.MISSING,
            Severity.MEDIUM,
            "A feature's permission is missing",
            "Synchronisation fails with error 8344 for the objects that it does not reach.",
            "Grant the feature where its objects are.",
        ),
        Rule(
            "missing-blocked",
            Category.MISSING,
            Severity.MEDIUM,
            "A grant stops at an object that inherits nothing",
            "What is granted above does not reach what is below: error 8344 for each object there.",
            "Let the object inherit again, or grant on it as well.",
        ),
        Rule(
            "ineffective-deny",
            Category.INEFFECTIVE,
            Severity.MEDIUM,
            "A deny entry stands in front of a grant",
            "The first entry that speaks about a right decides.",
            "Take the deny away, if its owner agrees.",
        ),
        Rule(
            "takeover-unlocked",
            Category.TAKEOVER,
            Severity.MEDIUM,
            "A connector account was never locked",
            "Set-ADSyncRestrictedPermissions leaves control of the account's object to tier 0 alone.",
            "Run Set-ADSyncRestrictedPermissions on it.",
        ),
        Rule(
            "debris-unresolved",
            Category.DEBRIS,
            Severity.LOW,
            "Entries of an account that no longer exists",
            "Nobody uses them, and nobody can tell what they were for.",
            "Take them away with Remove-ADSyncPermissions -Sid.",
        ),
        Rule(
            "debris-duplicate",
            Category.DEBRIS,
            Severity.INFORMATION,
            "An entry says what another says already",
            "It does no harm, but an access list holds at most 64 KB.",
            "Take it away.",
        ),
        Rule(
            "unreadable-object",
            Category.UNREADABLE,
            Severity.MEDIUM,
            "The permissions of an object could not be read",
            "What cannot be read cannot be called clean.",
            "Run the audit as an account that may read the permissions.",
        ),
    )
}


def account(name: str, rid: int, features: tuple[str, ...], *, inferred: bool, why: str) -> AuditedAccount:
    principal = Principal(f"CN={name},CN=Users,{DOMAIN}", Sid.from_string(f"{SID}-{rid}"), name)
    return AuditedAccount(principal, features, inferred, (why,) if why else ())


ACCOUNTS = (
    account(
        MAIN,
        1102,
        ("Basic Read", "Password Hash Sync", "Group Writeback"),
        inferred=False,
        why="its name begins with MSOL_",
    ),
    account(CLOUD, 1190, ("Cloud Sync",), inferred=True, why="a group managed service account of Cloud Sync"),
    account(OLD, 1060, (), inferred=True, why="it may replicate directory changes"),
)


def entry(sddl: str, words: str, origin: str | None = None) -> Evidence:
    return Evidence(sddl, words, origin)


def sample_report() -> AuditReport:
    """Findings of every category and severity, three accounts, 40 places, two accepted findings."""
    helpdesk = "CONTOSO\\Helpdesk"
    writeback = f"OU=Writeback,{DOMAIN}"
    findings = (
        Finding(
            RULES["takeover-password"],
            f"CN={MAIN},CN=Users,{DOMAIN}",
            f"{helpdesk} may reset the password of {MAIN}.",
            account=f"CONTOSO\\{MAIN}",
            trustee=helpdesk,
            evidence=(
                entry(
                    f"(OA;CI;CR;00299570-246d-11d0-a768-00aa006e0529;;{SID}-1201)",
                    f"Allow {helpdesk}: Reset Password; on this object and everything below it",
                    f"CN=Users,{DOMAIN}",
                ),
            ),
            mend=f"Set-ADSyncRestrictedPermissions -ADConnectorAccountDN 'CN={MAIN},CN=Users,{DOMAIN}'",
        ),
        Finding(
            RULES["excess-full-control"],
            f"OU=Staff,{DOMAIN}",
            f"{MAIN} has full control of everything in Staff.",
            account=f"CONTOSO\\{MAIN}",
            trustee=f"CONTOSO\\{MAIN}",
            evidence=(
                entry(
                    f"(A;CI;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;{SID}-1102)",
                    f"Allow CONTOSO\\{MAIN}: full control; on this object and everything below it",
                ),
            ),
            others=tuple(f"OU={name},OU=Staff,{DOMAIN}" for name in ("Berlin", "Lyon", "Porto")),
            count=12,
            mend=f"Remove-ADSyncAccessRule -ADobjectDN 'OU=Staff,{DOMAIN}' "
            f"-Rule '(A;CI;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;{SID}-1102)'",
        ),
        Finding(
            RULES["excess-write-dacl"],
            f"CN=AdminSDHolder,CN=System,{DOMAIN}",
            f"{MAIN} may change the permissions of AdminSDHolder, and so of every protected account.",
            account=f"CONTOSO\\{MAIN}",
            trustee=f"CONTOSO\\{MAIN}",
            evidence=(
                entry(
                    f"(A;;WD;;;{SID}-1102)", f"Allow CONTOSO\\{MAIN}: change permissions; on this object only"
                ),
                entry(
                    f"(A;;WO;;;{SID}-1102)", f"Allow CONTOSO\\{MAIN}: change the owner; on this object only"
                ),
            ),
            mend=f"Remove-ADSyncAccessRule -ADobjectDN 'CN=AdminSDHolder,CN=System,{DOMAIN}' "
            f"-Rule '(A;;WD;;;{SID}-1102)' -Rule '(A;;WO;;;{SID}-1102)'",
        ),
        Finding(
            RULES["excess-key-credentials"],
            f"OU=Servers,{DOMAIN}",
            f"{OLD} may write the key credentials of every computer in Servers.",
            account=f"CONTOSO\\{OLD}",
            trustee=f"CONTOSO\\{OLD}",
            evidence=(
                entry(
                    "(OA;CIIO;WP;5b47d60f-6090-40b2-9f37-2a4de88f3063;"
                    f"bf967a86-0de6-11d0-a285-00aa003049e2;{SID}-1060)",
                    f"Allow CONTOSO\\{OLD}: write msDS-KeyCredentialLink; on computer objects below it only",
                ),
            ),
            mend=f"Remove-ADSyncPermissions -ADConnectorAccountDN 'CN={OLD},CN=Users,{DOMAIN}'",
            advice="The account is disabled: make sure that nothing runs under it, then take all of it away.",
        ),
        Finding(
            RULES["takeover-ou"],
            f"OU=Service Accounts,OU=IT,{DOMAIN}",
            "CONTOSO\\EMEA Operators may change the permissions of an OU above a connector account.",
            account=f"CONTOSO\\{CLOUD}",
            trustee="CONTOSO\\EMEA Operators",
            evidence=(
                entry(
                    f"(A;CI;WD;;;{SID}-1333)",
                    "Allow CONTOSO\\EMEA Operators: change permissions; on this object and everything below it",
                    f"OU=IT,{DOMAIN}",
                ),
            ),
            advice="Decide who runs that OU: no command can tell whether the group still needs it.",
        ),
        Finding(
            RULES["missing-grant"],
            writeback,
            f"{MAIN} cannot create groups here, which Group Writeback needs.",
            account=f"CONTOSO\\{MAIN}",
            evidence=(
                entry(
                    f"(OA;CIIO;CCDCLCSWRPWPDTLOSDRC;;{GROUP};{SID}-1102)",
                    f"Allow CONTOSO\\{MAIN}: create objects of every class, write every attribute; "
                    "on group objects below it only",
                    DOMAIN,
                ),
            ),
            mend="Set-ADSyncUnifiedGroupWritebackPermissions "
            f"-ADConnectorAccountDN 'CN={MAIN},CN=Users,{DOMAIN}' -ADobjectDN '{writeback}'",
        ),
        Finding(
            RULES["missing-blocked"],
            f"OU=Executives,OU=Staff,{DOMAIN}",
            "Basic Read, granted on the domain, does not reach this OU: it inherits nothing.",
            account=f"CONTOSO\\{MAIN}",
            count=215,
            others=(f"CN=Kim Novak,OU=Executives,OU=Staff,{DOMAIN}",),
            mend=f"Enable-ADSyncInheritance -ADobjectDN 'OU=Executives,OU=Staff,{DOMAIN}'",
        ),
        Finding(
            RULES["ineffective-deny"],
            f"OU=Legal,OU=Staff,{DOMAIN}",
            "A deny for Authenticated Users takes back what Basic Read grants.",
            account=f"CONTOSO\\{MAIN}",
            trustee="NT AUTHORITY\\Authenticated Users",
            evidence=(
                entry(
                    "(OD;CI;RP;bf967953-0de6-11d0-a285-00aa003049e2;;AU)",
                    "Deny NT AUTHORITY\\Authenticated Users: read department; "
                    "on this object and everything below it",
                ),
            ),
            advice="Ask who put it there: nobody's deny is taken away by a command.",
        ),
        Finding(
            RULES["takeover-unlocked"],
            f"CN={OLD},CN=Users,{DOMAIN}",
            "Account Operators control its object.",
            account=f"CONTOSO\\{OLD}",
            trustee="BUILTIN\\Account Operators",
            evidence=(
                entry(
                    "(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;AO)",
                    "Allow BUILTIN\\Account Operators: full control; on this object only",
                ),
            ),
            mend=f"Set-ADSyncRestrictedPermissions -ADConnectorAccountDN 'CN={OLD},CN=Users,{DOMAIN}'",
        ),
        Finding(
            RULES["takeover-unlocked"],
            f"CN={CLOUD},CN=Managed Service Accounts,{DOMAIN}",
            "It inherits from its container, and Enterprise Key Admins may write its key credentials.",
            account=f"CONTOSO\\{CLOUD}",
            trustee="CONTOSO\\Enterprise Key Admins",
            evidence=(
                entry(
                    f"(OA;CI;RPWP;5b47d60f-6090-40b2-9f37-2a4de88f3063;;{SID}-527)",
                    "Allow CONTOSO\\Enterprise Key Admins: read msDS-KeyCredentialLink, "
                    "write msDS-KeyCredentialLink; on this object and everything below it",
                    DOMAIN,
                ),
            ),
            mend="Set-AADCloudSyncRestrictedPermissions "
            f"-ADConnectorAccountDN 'CN={CLOUD},CN=Managed Service Accounts,{DOMAIN}'",
        ),
        Finding(
            RULES["unreadable-object"],
            f"CN=Vault,OU=Legal,OU=Staff,{DOMAIN}",
            "The account that ran the audit may not read its permissions.",
            count=3,
            others=(
                f"CN=Vault 2,OU=Legal,OU=Staff,{DOMAIN}",
                f"CN=Vault 3,OU=Legal,OU=Staff,{DOMAIN}",
            ),
        ),
        Finding(
            RULES["debris-unresolved"],
            DOMAIN,
            f"{SID}-1044 belongs to nobody any more.",
            trustee=f"{SID}-1044",
            evidence=(
                entry(
                    f"(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;{SID}-1044)",
                    f"Allow {SID}-1044: Replicating Directory Changes; on this object only",
                ),
            ),
            count=4,
            others=(f"OU=Staff,{DOMAIN}", f"OU=Groups,{DOMAIN}", writeback),
            mend=f"Remove-ADSyncPermissions -Sid {SID}-1044",
        ),
        Finding(
            RULES["debris-duplicate"],
            f"OU=Groups,{DOMAIN}",
            "The same permission is granted twice.",
            account=f"CONTOSO\\{MAIN}",
            evidence=(
                entry(
                    f"(A;CI;RP;;;{SID}-1102)",
                    f"Allow CONTOSO\\{MAIN}: read every attribute; on this object and everything below it",
                ),
            ),
            mend=f"Remove-ADSyncAccessRule -ADobjectDN 'OU=Groups,{DOMAIN}' -Rule '(A;CI;RP;;;{SID}-1102)'",
        ),
        Finding(
            RULES["takeover-ou"],
            f"CN=Users,{DOMAIN}",
            "BUILTIN\\Account Operators create and delete what is in Users.",
            account=f"CONTOSO\\{MAIN}",
            trustee="BUILTIN\\Account Operators",
            evidence=(
                entry(
                    "(OA;;CCDC;bf967aba-0de6-11d0-a285-00aa003049e2;;AO)",
                    "Allow BUILTIN\\Account Operators: create user objects, delete user objects; "
                    "on this object only",
                ),
            ),
            accepted=Acceptance("The group is empty; CHG-4711 removes it.", date(2027, 3, 31)),
        ),
        Finding(
            RULES["excess-write-dacl"],
            f"OU=Lab,OU=IT,{DOMAIN}",
            f"{CLOUD} may change permissions in the lab.",
            account=f"CONTOSO\\{CLOUD}",
            trustee=f"CONTOSO\\{CLOUD}",
            evidence=(
                entry(
                    f"(A;CI;WD;;;{SID}-1190)",
                    f"Allow CONTOSO\\{CLOUD}: change permissions; on this object and everything below it",
                ),
            ),
            accepted=Acceptance("A lab without real accounts."),
        ),
    )
    return AuditReport(
        source="dc1.contoso.example",
        bases=(DOMAIN, f"CN=Configuration,{DOMAIN}"),
        taken=datetime(2026, 11, 25, 2, 30, 7, tzinfo=UTC),
        accounts=ACCOUNTS,
        findings=tuple(sorted(findings, key=lambda each: each.rule.severity.rank)),
        read=48_213,
        unreadable=3,
        beyond={"debris-duplicate": 37},
        not_read=("DC=emea,DC=contoso,DC=example: its controllers did not answer within 10 s",),
        warnings=("The clock of dc1.contoso.example is 140 s behind.",),
        tree=sample_tree(),
        rules=tuple(RULES.values()),
    )


def sample_tree() -> tuple[Place, ...]:
    """40 places: a domain, its containers, and OUs three deep."""
    places: list[Place] = []

    def add(
        rdn: str,
        parent: str | None,
        objects: int,
        main: Power,
        *,
        cloud: Power = Power.READ,
        blocked: bool = False,
    ) -> str:
        dn = rdn if parent is None else f"{rdn},{parent}"
        powers = {MAIN: main, CLOUD: cloud, OLD: Power.READ if main is Power.NOTHING else Power.NOTHING}
        most = max(powers.values(), key=lambda power: power.rank)
        places.append(Place(dn, parent, most, powers, objects, blocked))
        return dn

    add(DOMAIN, None, 14, Power.READ)
    for name, objects in (
        ("Builtin", 28),
        ("Computers", 61),
        ("ForeignSecurityPrincipals", 6),
        ("Users", 44),
    ):
        add(f"CN={name}", DOMAIN, objects, Power.READ)
    system = add("CN=System", DOMAIN, 23, Power.READ)
    add("CN=AdminSDHolder", system, 0, Power.CONTROL, blocked=True)
    add("CN=Policies", system, 19, Power.READ)
    add("OU=Domain Controllers", DOMAIN, 4, Power.READ)
    staff = add("OU=Staff", DOMAIN, 3, Power.CONTROL)
    for name, objects in (
        ("Berlin", 4210),
        ("Lyon", 2985),
        ("Porto", 1730),
        ("Toronto", 6120),
        ("Osaka", 3377),
    ):
        office = add(f"OU={name}", staff, 12, Power.CONTROL)
        add("OU=People", office, objects, Power.CONTROL)
        add("OU=Devices", office, objects // 2, Power.CONTROL)
    add("OU=Executives", staff, 214, Power.NOTHING, cloud=Power.NOTHING, blocked=True)
    add("OU=Legal", staff, 96, Power.WRITE)
    add("OU=Contractors", staff, 1240, Power.WRITE)
    groups = add("OU=Groups", DOMAIN, 2, Power.READ)
    for name, objects in (("Security", 3120), ("Distribution", 1873)):
        add(f"OU={name}", groups, objects, Power.WRITE)
    writeback = add("OU=Writeback", DOMAIN, 642, Power.CREATE, cloud=Power.CREATE)
    add("OU=Archive", writeback, 310, Power.CREATE, cloud=Power.CREATE)
    it = add("OU=IT", DOMAIN, 9, Power.READ)
    add("OU=Service Accounts", it, 131, Power.READ)
    add("OU=Lab", it, 77, Power.READ, cloud=Power.CONTROL)
    servers = add("OU=Servers", DOMAIN, 812, Power.WRITE)
    for name, objects in (("SQL", 120), ("Web", 244), ("Tier 0", 11)):
        add(f"OU={name}", servers, objects, Power.WRITE, blocked=name == "Tier 0")
    return tuple(places)


def big_tree(count: int) -> tuple[Place, ...]:
    """A tree of so many places, five levels deep, some of them blocked."""
    places = [Place(DOMAIN, None, Power.READ, {MAIN: Power.READ}, 10)]
    powers = list(Power)
    for number in range(1, count):
        # The first hundred stand below the root, each later one below one of the earlier.
        parent = DOMAIN if number <= 100 else places[number // 7].dn
        power = powers[number * 7 % len(powers)]
        dn = f"OU=Unit {number},{parent}"
        places.append(Place(dn, parent, power, {MAIN: power}, number % 90, number % 37 == 0))
    return tuple(places)


def clean_report() -> AuditReport:
    """Nothing found, everything read."""
    return AuditReport(
        source="contoso.jsonl.gz",
        bases=(DOMAIN,),
        taken=datetime(2026, 11, 25, 2, 30, 7, tzinfo=UTC),
        accounts=ACCOUNTS[:1],
        findings=(),
        read=1,
        tree=sample_tree()[:5],
        rules=tuple(RULES.values()),
    )


def hostile_report() -> AuditReport:
    """Every text that can come from the directory, a policy or a server, with each hostile name in turn."""
    base = RULES["excess-write-dacl"]
    findings, places = [], [Place(DOMAIN, None, Power.READ, {MAIN: Power.READ}, 1)]
    for number, name in enumerate(HOSTILE_NAMES):
        dn = f"OU={name},{DOMAIN}"
        findings.append(
            Finding(
                RULES["missing-grant"] if number % 2 else base,
                dn,
                f"{name} says: {name}",
                account=name,
                trustee=name,
                evidence=(entry(name, name, name),),
                others=(name,),
                count=2,
                mend=_command(name),
                advice=name,
                accepted=Acceptance(name, date(2027, 1, 1)) if number % 5 == 4 else None,
            )
        )
        places.append(Place(dn, DOMAIN, Power.CONTROL, {name: Power.CONTROL}, 1, blocked=True))
    hostile_rule = Rule(
        "hostile-rule", Category.EXCESS, Severity.LOW, HOSTILE_NAMES[0], HOSTILE_NAMES[1], HOSTILE_NAMES[12]
    )
    findings.append(Finding(hostile_rule, f"OU=last,{DOMAIN}", "A rule with a hostile text."))
    principal = Principal(f"CN={HOSTILE_NAMES[0]},{DOMAIN}", Sid.from_string(f"{SID}-1102"), HOSTILE_NAMES[1])
    return AuditReport(
        source=HOSTILE_NAMES[0],
        bases=HOSTILE_NAMES,
        taken=datetime(2026, 11, 25, 2, 30, 7, tzinfo=UTC),
        accounts=(AuditedAccount(principal, HOSTILE_NAMES, True, HOSTILE_NAMES),),
        findings=tuple(sorted(findings, key=lambda each: each.rule.severity.rank)),
        read=20,
        beyond={"missing-grant": 5, HOSTILE_NAMES[1]: 2},
        not_read=HOSTILE_NAMES,
        warnings=HOSTILE_NAMES,
        tree=tuple(places),
        rules=(*RULES.values(), hostile_rule),
    )


def _command(name: str) -> str:
    return f"Enable-ADSyncInheritance -ADobjectDN {shlex.quote(f'OU={name},{DOMAIN}')}"
