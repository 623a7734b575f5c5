"""What a controller's result codes mean to the person who runs a command, and what to do: data only.

Source: RFC 4511 appendix A.2, under the names that ldap3 gives the codes.
"""

from __future__ import annotations

from typing import Final

__all__ = ["RESULT_MEANINGS"]

RESULT_MEANINGS: Final = {
    "operationsError": "the controller could not do it",
    "busy": "the controller is busy: try again",
    "unavailable": "the controller is not available: try again, or name another",
    "unwillingToPerform": "the controller is unwilling to do this",
    "timeLimitExceeded": "the controller's time limit was reached",
    "sizeLimitExceeded": "the controller's size limit was reached",
    "adminLimitExceeded": "a limit of the controller was reached",
    "constraintViolation": "the controller found a value that its rules forbid",
    "strongerAuthRequired": "the controller wants an encrypted connection: use ldaps:// or --starttls",
    "referral": "this object is in another domain: name that domain's server as -Server domain=url",
}
