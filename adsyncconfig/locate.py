"""Domain controllers by the DNS SRV records that Active Directory keeps of them.

A domain's controllers are named under ``_ldap._tcp.dc._msdcs.<domain>`` (MS-ADTS 6.3.2.3), to be tried by
priority, and within one priority by chance and weight (RFC 2782). Whether a name is that of a domain is also
known from there: a host has no such records.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from .errors import Unreachable

if TYPE_CHECKING:
    from dns.resolver import Resolver

__all__ = ["controllers"]

SECONDS: Final = 5.0


def controllers(
    domain: str, *, resolver: Resolver | None = None, seconds: float = SECONDS
) -> tuple[str, ...]:
    """The host names of the domain's controllers in the order to try them; empty when DNS knows none.

    ``resolver`` None asks the system's name servers, for at most ``seconds``. Raises Unreachable when they don't
    answer.
    """
    import dns.exception  # noqa: PLC0415 - only where no server is named
    import dns.resolver  # noqa: PLC0415

    asked = resolver or dns.resolver.get_default_resolver()
    name = f"_ldap._tcp.dc._msdcs.{domain.rstrip('.')}"
    try:
        answer = asked.resolve(name, "SRV", lifetime=seconds)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.name.LabelTooLong, dns.name.EmptyLabel):
        return ()
    except (dns.exception.DNSException, OSError) as error:
        reason = " ".join(str(error).split())
        raise Unreachable(f"no name server says where the controllers of '{domain}' are: {reason}") from error
    records = [(each.priority, each.weight, each.target.to_text(omit_final_dot=True)) for each in answer]
    # A larger weight comes first more often; the exponent is the usual way to shuffle by weight.
    return tuple(
        target
        for _, _, target in sorted(records, key=lambda r: (r[0], -(random.random() ** (1 / max(r[1], 1)))))  # noqa: S311
    )
