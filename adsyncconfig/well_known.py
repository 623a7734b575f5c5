"""The English names that Windows shows for SIDs that mean the same everywhere.

A domain in another language shows other names; these are the ones that documentation and scripts use.

Source: MS-DTYP 2.4.2.4 (well-known SID structures); the names as LookupAccountSid gives them.
"""

from __future__ import annotations

from typing import Final

from acl import Sid

__all__ = ["WELL_KNOWN_NAMES"]

_BUILTIN: Final[dict[int, str]] = {
    544: "Administrators",
    545: "Users",
    546: "Guests",
    547: "Power Users",
    548: "Account Operators",
    549: "Server Operators",
    550: "Print Operators",
    551: "Backup Operators",
    552: "Replicator",
    554: "Pre-Windows 2000 Compatible Access",
    555: "Remote Desktop Users",
    556: "Network Configuration Operators",
    557: "Incoming Forest Trust Builders",
    558: "Performance Monitor Users",
    559: "Performance Log Users",
    560: "Windows Authorization Access Group",
    561: "Terminal Server License Servers",
    562: "Distributed COM Users",
    568: "IIS_IUSRS",
    569: "Cryptographic Operators",
    573: "Event Log Readers",
    574: "Certificate Service DCOM Access",
    575: "RDS Remote Access Servers",
    576: "RDS Endpoint Servers",
    577: "RDS Management Servers",
    578: "Hyper-V Administrators",
    579: "Access Control Assistance Operators",
    580: "Remote Management Users",
    582: "Storage Replica Administrators",
}
_NT_AUTHORITY: Final[dict[str, str]] = {
    "1": "DIALUP",
    "2": "NETWORK",
    "3": "BATCH",
    "4": "INTERACTIVE",
    "6": "SERVICE",
    "7": "ANONYMOUS LOGON",
    "8": "PROXY",
    "9": "ENTERPRISE DOMAIN CONTROLLERS",
    "10": "SELF",
    "11": "Authenticated Users",
    "12": "RESTRICTED",
    "13": "TERMINAL SERVER USER",
    "14": "REMOTE INTERACTIVE LOGON",
    "15": "This Organization",
    "17": "IUSR",
    "18": "SYSTEM",
    "19": "LOCAL SERVICE",
    "20": "NETWORK SERVICE",
    "33": "WRITE RESTRICTED",
    "64-10": "NTLM Authentication",
    "64-14": "SChannel Authentication",
    "64-21": "Digest Authentication",
    "1000": "Other Organization",
}
_BARE: Final[dict[str, str]] = {
    "S-1-0-0": "NULL SID",
    "S-1-1-0": "Everyone",
    "S-1-2-0": "LOCAL",
    "S-1-3-0": "CREATOR OWNER",
    "S-1-3-1": "CREATOR GROUP",
    "S-1-3-4": "OWNER RIGHTS",
    "S-1-18-1": "Authentication authority asserted identity",
    "S-1-18-2": "Service asserted identity",
}

#: Each SID's name, with ``BUILTIN\\`` or ``NT AUTHORITY\\`` in front where Windows shows one.
WELL_KNOWN_NAMES: Final[dict[Sid, str]] = {
    **{Sid.from_string(text): name for text, name in _BARE.items()},
    **{Sid.from_string(f"S-1-5-{end}"): f"NT AUTHORITY\\{name}" for end, name in _NT_AUTHORITY.items()},
    **{Sid(5, (32, rid)): f"BUILTIN\\{name}" for rid, name in _BUILTIN.items()},
}
