"""Whom an audit never takes for an intruder: the groups and accounts that rule a forest by what Windows gives them.

Rule 1: tier 0 is what controls the forest by itself: SYSTEM and the controllers, the administrators of domains and
        of the forest, and those who may write key credentials everywhere (Key Admins).
Rule 2: the operators (Account, Server, Print, Backup Operators, Replicator) are protected by AdminSDHolder and are
        no tier 0 here: who resets the password of a connector account as Account Operator is just the one that
        Microsoft's advisory 4056318 warns of.
Rule 3: RIDs count in the domains of the forest alone: 512 of a trusted domain is somebody else's administrator.

Sources: MS-ADTS 3.1.1.6.1 (protected groups), MS-DTYP 2.4.2.4 (RIDs), Microsoft's tier model ("Enterprise access
model", control plane).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from acl import Sid

__all__ = ["PROTECTED_RIDS", "PROTECTED_SIDS", "tier0_sids"]

_EVERYWHERE: Final = (
    Sid.from_string("S-1-5-18"),  # SYSTEM
    Sid.from_string("S-1-5-9"),  # Enterprise Domain Controllers
    Sid(5, (32, 544)),  # Administrators
)
#: Of every domain: Administrator, krbtgt, Domain Admins, Domain Controllers, Key Admins.
_OF_DOMAINS: Final = (500, 502, 512, 516, 526)
#: Of the forest's root domain: Schema Admins, Enterprise Admins, Enterprise Key Admins.
_OF_THE_ROOT: Final = (518, 519, 527)

#: Groups of every domain whose members AdminSDHolder protects, and the accounts and groups that it protects.
PROTECTED_RIDS: Final = frozenset({500, 502, 512, 516, 518, 519, 521, 526, 527})
#: Built-in groups whose members AdminSDHolder protects.
PROTECTED_SIDS: Final = frozenset(Sid(5, (32, rid)) for rid in (544, 548, 549, 550, 551, 552))


def tier0_sids(
    domain_sids: Iterable[Sid], forest_root: Sid | None, more: Iterable[Sid] = ()
) -> frozenset[Sid]:
    """The SIDs of tier 0 in a forest of these domains, and those that the caller counts to it."""
    found = {*_EVERYWHERE, *more}
    found.update(domain.child(rid) for domain in domain_sids for rid in _OF_DOMAINS)
    if forest_root is not None:
        found.update(forest_root.child(rid) for rid in _OF_THE_ROOT)
    return frozenset(found)
