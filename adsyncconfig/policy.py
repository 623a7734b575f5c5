"""What connector accounts are to have, and which findings of an audit are put up with: values, pure.

``policy_file`` reads them from a file. An acceptance that has run out accepts nothing, and one that nothing meets
is named, so that a file does not fill with what nobody needs any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

from .account import AccountNames
from .catalogue import Feature
from .dn import DistinguishedName
from .errors import ParameterError, PolicyError
from .findings import Acceptance, AuditReport, Finding

__all__ = ["AcceptedFinding", "Policy", "PolicyAccount", "PolicyGrant", "accept"]


@dataclass(frozen=True, slots=True)
class PolicyGrant:
    """One feature that an account is to have: on ``scope``, a DN or a domain, or None for every domain."""

    name: str
    features: tuple[Feature, ...]
    scope: str | None = None
    least_privilege: bool = False
    include_admin_sd_holders: bool = False
    line: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class PolicyAccount:
    """A connector account, and everything that it is to have. ``names`` are parameters as every cmdlet takes."""

    names: AccountNames
    grants: tuple[PolicyGrant, ...] = ()
    restricted: bool = False
    line: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class AcceptedFinding:
    """Findings that are put up with: those of the rule that meet every other part which is given."""

    rule: str
    reason: str
    until: date | None = None
    object: DistinguishedName | None = None
    below: DistinguishedName | None = None
    account: str | None = None
    trustee: str | None = None
    line: int = field(default=1, compare=False)

    def meets(self, finding: Finding) -> bool:
        """True when the finding is one of these, whatever the date."""
        if finding.rule.id != self.rule:
            return False
        for wanted, there in ((self.account, finding.account), (self.trustee, finding.trustee)):
            if wanted is not None and not _same_name(wanted, there):
                return False
        if self.object is None and self.below is None:
            return True
        # Of several objects alike, each has to be meant; of those beyond the first ones that is not known.
        if finding.count > 1 + len(finding.others):
            return False
        return all(self._holds(dn) for dn in (finding.dn, *finding.others))

    def _holds(self, dn: str) -> bool:
        try:
            name = DistinguishedName.parse(dn).rdns
        except ParameterError:
            return False
        if self.object is not None and name != self.object.rdns:
            return False
        return self.below is None or name[-len(self.below.rdns) :] == self.below.rdns


@dataclass(frozen=True, slots=True)
class Policy:
    """What a policy file says. ``path`` is for messages; numbers are days, None where it says nothing of them."""

    path: str
    accounts: tuple[PolicyAccount, ...] = ()
    accepted: tuple[AcceptedFinding, ...] = ()
    tier0: tuple[str, ...] = ()
    password_days: int | None = None
    unused_days: int | None = None
    tier0_line: int = field(default=1, compare=False)

    def error(self, line: int, message: str) -> PolicyError:
        """An error that names the file and the line."""
        return PolicyError(f"{self.path}, line {line}: {message}")


def accept(report: AuditReport, policy: Policy, *, today: date) -> AuditReport:
    """The report with the findings marked that the policy accepts, and warnings where it should be tidied up."""
    current = [each for each in policy.accepted if each.until is None or each.until >= today]
    met: set[int] = set()
    findings = []
    for finding in report.findings:
        for number, each in enumerate(current):
            if each.meets(finding):
                met.add(number)
                finding = replace(finding, accepted=Acceptance(each.reason, each.until))  # noqa: PLW2901
                break
        findings.append(finding)
    warnings = [
        f"{policy.path}, line {each.line}: this acceptance of {each.rule} ended on {each.until}"
        for each in policy.accepted
        if each not in current and any(each.meets(finding) for finding in report.findings)
    ]
    warnings += (
        f"{policy.path}, line {each.line}: no finding meets this acceptance of {each.rule} any more: take it out"
        for number, each in enumerate(current)
        if number not in met
    )
    return replace(report, findings=tuple(findings), warnings=(*report.warnings, *warnings))


def _same_name(wanted: str, there: str | None) -> bool:
    """True for the same name in any case; one without a domain fits whatever the domain."""
    if there is None:
        return False
    one, other = wanted.casefold(), there.casefold()
    return other in (one, one.rstrip("$")) or ("\\" not in one and other.rpartition("\\")[2] == one)
