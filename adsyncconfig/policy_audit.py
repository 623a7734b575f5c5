"""An audit by a policy: its accounts, held to what it says where it says it, and the findings that it accepts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from acl import Sid

from .account import Principal
from .audit import RULES, audit
from .audit_context import AuditParameters
from .catalogue import Feature
from .directory import Directory
from .errors import ParameterError, UnknownName
from .findings import AuditReport
from .plan import Target
from .policy import Policy, accept
from .policy_file import read_policy
from .trustee_names import trustee_named
from .wanted_state import WantedState, wanted_state

__all__ = ["audit_by_policy"]

#: What a policy says itself, by the names of parameters.
_SAID: Final = {
    "feature": "-Feature",
    "ad_connector_account_dn": "-ADConnectorAccountDN",
    "ad_connector_account_name": "-ADConnectorAccountName",
    "ad_connector_account_domain": "-ADConnectorAccountDomain",
}


def audit_by_policy(directory: Directory, path: str | Path, given: AuditParameters) -> AuditReport:
    """Audit the accounts of a policy file, or where it names none, those that the directory shows.

    Raises PolicyError with the line, ParameterError for what the policy says itself, and as ``audit`` does.
    """
    for name, spelling in _SAID.items():
        if given.get(name) is not None:
            raise ParameterError(f"the policy names accounts and features itself: leave {spelling} out")
    policy = read_policy(path, rules=[rule.id for rule in RULES])
    parameters: AuditParameters = {
        **given,
        "tier0": (*given.get("tier0", ()), *_tier0(directory, policy)),
        "password_days": policy.password_days,
        "unused_days": policy.unused_days,
    }
    if policy.accounts:
        # What is wanted on AdminSDHolder is a matter of the run that grants it; here it is only looked at.
        parameters["expected"] = _expected(wanted_state(directory, policy, force=True))
    report = audit(directory, parameters)
    return accept(report, policy, today=report.taken.date())


def _expected(state: WantedState) -> Mapping[Principal, Mapping[Feature, tuple[Target, ...]]]:
    found: dict[Principal, dict[Feature, tuple[Target, ...]]] = {account: {} for _, account in state.accounts}
    for each in state.objects:
        for account, feature, _ in each.wanted:
            found[account][feature] = (*found[account].get(feature, ()), each.target)
    return found


def _tier0(directory: Directory, policy: Policy) -> list[Sid]:
    found = []
    for text in policy.tier0:
        try:
            found.append(trustee_named(directory, text, what="'tier0'").sid)
        except (ParameterError, UnknownName) as error:
            raise policy.error(policy.tier0_line, str(error)) from None
    return found
