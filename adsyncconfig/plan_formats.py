"""A plan for those who must run it with other tools: command lines of dsacls.exe, and LDIF. Pure.

Rule 1: what a tool cannot express is said as a comment in its place, with the SDDL, and never approximated.
Rule 2: neither tool looks whether the permissions still are what the plan was made from; both files say so.
        dsacls.exe edits entries, LDIF replaces the whole DACL. Owners and values of attributes go in LDIF alone.
Rule 3: names from the directory cannot leave the place that they are put in: comments hold no line breaks and
        nothing that cmd.exe acts upon; a DN goes in quotes, with quotes and percent signs in hexadecimal form
        (RFC 4514 2.4), since cmd.exe looks for both inside quotes too.

Sources: the help text of dsacls.exe 10.0.17763; RFC 2849 (LDIF); MS-ADTS 3.1.1.3.4.1.11 (SD flags).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from uuid import UUID

from acl import AccessMask, Ace, AceFlag, AceType, Acl, SecurityDescriptor
from acl.edit import missing

from .directory import dacl_alone
from .dsacls import RIGHTS
from .plan import AnyChange, Change, PasswordChange, ValueChange, ace_text, difference
from .plan_file import Plan
from .schema import Kind, bundled, bundled_rights

__all__ = ["as_dsacls", "as_ldif"]

_SD_FLAGS: Final = (
    "control: 1.2.840.113556.1.4.801 true:: MAMCAQQ="  # a BER sequence of the integer 4: the DACL
)
_OWNER_FLAGS: Final = "control: 1.2.840.113556.1.4.801 true:: MAMCAQE="  # ... 1: the owner
_LDIF_WIDTH: Final = 76
#: Inheritance flags -> the option of dsacls.
_INHERITANCE: Final = {
    AceFlag(0): "",
    AceFlag.CONTAINER_INHERIT: "/I:T ",
    AceFlag.CONTAINER_INHERIT | AceFlag.INHERIT_ONLY: "/I:S ",
    AceFlag.CONTAINER_INHERIT | AceFlag.NO_PROPAGATE_INHERIT: "/I:P ",
}
_SWITCHES: Final[dict[int, str]] = {
    AceType.ACCESS_ALLOWED: "/G",
    AceType.ACCESS_ALLOWED_OBJECT: "/G",
    AceType.ACCESS_DENIED: "/D",
    AceType.ACCESS_DENIED_OBJECT: "/D",
}
_CHILDREN: Final = AccessMask.DS_CREATE_CHILD | AccessMask.DS_DELETE_CHILD
_PROPERTIES: Final = AccessMask.DS_READ_PROPERTY | AccessMask.DS_WRITE_PROPERTY
#: A character of a DN that cmd.exe looks for inside quotes too, or any with a backslash in front of it.
_CMD_CHARACTER: Final = re.compile(r'\\.|["%\x00-\x1f]', re.DOTALL)
#: Everything but letters, digits and what neither cmd.exe nor LDIF acts upon.
_UNSAFE_IN_COMMENT: Final = re.compile(r"[^\w .,:;=()/'\\+*@#{}\[\]-]")


def as_dsacls(plan: Plan) -> str:
    """A command file for cmd.exe that makes the plan's changes with dsacls.exe, as far as that can."""
    lines = [
        "@echo off",
        *(f"rem {_plain(line)}" for line in _headings(plan)),
        "rem dsacls.exe does not look whether the permissions changed since: run it soon, or make a new plan.",
        "rem Without /I an entry is for this object only. Names are those of an English forest.",
    ]
    for change in plan.changes:
        lines += ["", f"rem {_plain(change.operation)}: {_plain(change.dn)}", *_commands(change)]
    text = "\n".join(lines) + "\n"
    return text if text.isascii() else text.replace("@echo off\n", "@echo off\nchcp 65001 >nul\n", 1)


def as_ldif(plan: Plan) -> str:
    """LDIF change records that replace the DACLs, for ldapmodify and other tools that send controls."""
    lines = [
        "version: 1",
        *(f"# {_plain(line)}" for line in _headings(plan)),
        "# A record replaces a whole DACL, whatever it is by then: run it soon, or make a new plan.",
        "# The control keeps what is not meant out of it (SD flags 4: DACL, 1: owner). A tool that ignores",
        "# control lines, as ldifde.exe may, must not be used.",
    ]
    for change in plan.changes:
        if isinstance(change, PasswordChange):
            lines += ["", f"# not expressed: {_plain(change.operation)} {_plain(change.dn)}"]
        else:
            lines += _values(change) if isinstance(change, ValueChange) else _descriptors(change)
    return "\n".join(lines) + "\n"


def _descriptors(change: Change) -> Iterator[str]:
    """A record for each part of the descriptor that changes, under the control that leaves the others out."""
    parts: list[tuple[str, str, SecurityDescriptor]] = []
    if change.writes_owner:
        said = f"the owner becomes {change.after.owner}, from {change.before.owner}"
        parts.append((said, _OWNER_FLAGS, SecurityDescriptor(owner=change.after.owner)))
    if change.writes_dacl:
        parts.append((difference(change.after, change.before), _SD_FLAGS, dacl_alone(change.after)))
    for said, flags, descriptor in parts:
        value = base64.b64encode(descriptor.to_bytes()).decode("ascii")
        yield from (
            "",
            f"# {_plain(change.operation)}: {_plain(said)}",
            *_folded(_ldif_line("dn", change.dn)),
            flags,
            "changetype: modify",
            "replace: nTSecurityDescriptor",
            *_folded(f"nTSecurityDescriptor:: {value}"),
            "-",
        )


def _values(change: ValueChange) -> Iterator[str]:
    yield from (
        "",
        f"# {_plain(change.operation)}",
        *_folded(_ldif_line("dn", change.dn)),
        "changetype: modify",
    )
    for verb, values in (("delete", change.remove), ("add", change.add)):
        if values:
            yield f"{verb}: {change.attribute}"
            for value in values:
                yield from _folded(_ldif_line(change.attribute, value))
            yield "-"


def _headings(plan: Plan) -> Iterator[str]:
    who = f" for {plan.account.name} ({plan.account.sid})" if plan.account else ""
    yield f"The plan of {plan.cmdlet}{who}, made {plan.created} in the forest {plan.forest}."
    yield f"It has {len(plan.changes)} changes. Invoke-ADSyncPlan applies it more safely, from --plan-out."


def _commands(change: AnyChange) -> Iterator[str]:
    """The lines for one object."""
    if isinstance(change, PasswordChange):
        yield "rem not expressed: set its password, which stands in no file"
    elif isinstance(change, ValueChange):
        for verb, values in (("take away", change.remove), ("add", change.add)):
            yield from (
                f"rem not expressed: {verb} {change.attribute} {_plain(value)}; dsacls.exe edits permissions alone"
                for value in values
            )
    else:
        yield from _edits(change)


def _edits(change: Change) -> Iterator[str]:
    """The lines for one object's permissions: inheritance, then what is taken away, then what is added."""
    if change.writes_owner:
        yield f"rem not expressed: the owner becomes {change.after.owner}; dsacls.exe sets no owner"
    if not change.writes_dacl:
        return
    before, after = change.before.dacl or Acl(), change.after.dacl or Acl()
    dn = _quoted_dn(change.dn)
    if change.before.dacl_is_protected != change.after.dacl_is_protected:
        yield f"dsacls {dn} /P:{'Y' if change.after.dacl_is_protected else 'N'}"
    lost = [ace for ace in change.removed if not ace.is_inherited and _lost(after, ace)]
    emptied = [
        sid
        for sid in dict.fromkeys(ace.sid for ace in lost)
        if not any(each.sid == sid and not each.is_inherited for each in after)
    ]
    yield from (f'dsacls {dn} /R "{sid}"' for sid in emptied)
    for ace in lost:
        if ace.sid not in emptied:
            yield (
                f"rem not expressed: take away {_plain(ace_text(ace))}; dsacls.exe takes away every entry of "
                f"{ace.sid} or none"
            )
    gained = 0
    for ace in change.added:
        if ace.is_inherited:
            continue
        if ace.is_allow or ace.is_deny:
            rights = missing(before, ace)
            if not rights:
                continue
            ace = replace(ace, mask=rights)  # noqa: PLW2901 - what is there already is not granted again
        gained += 1
        yield from _grant(dn, ace)
    if not lost and not gained and change.before.dacl_is_protected == change.after.dacl_is_protected:
        yield "rem not expressed: the entries change in order alone, which dsacls.exe does not edit"


def _lost(after: Acl, ace: Ace) -> bool:
    return bool(missing(after, ace)) if ace.is_allow or ace.is_deny else True


def _grant(dn: str, ace: Ace) -> Iterator[str]:
    switch = _SWITCHES.get(ace.type)
    inheritance = _INHERITANCE.get(ace.flags)
    rights = _rights(ace.mask)
    object_name = _object_name(ace)
    class_name = _name(Kind.CLASS, ace.inherited_object_type)
    if None in (switch, inheritance, rights, object_name, class_name):
        yield f"rem not expressed: add {_plain(ace_text(ace))}"
        return
    if class_name and not ace.flags & AceFlag.INHERIT_ONLY:
        yield "rem some builds of dsacls.exe want /I:S where a class is named, and refuse the next line"
    permission = ";".join((rights or "", object_name or "", class_name or "")).rstrip(";")
    yield f'dsacls {dn} {inheritance}{switch} "{ace.sid}:{permission.replace("%", "%%")}"'


def _rights(mask: AccessMask) -> str | None:
    """The mask in dsacls's letters, or None where it has none for a bit."""
    if mask == RIGHTS["GA"]:
        return "GA"
    letters = {name: right for name, right in RIGHTS.items() if not name.startswith("G")}
    rest = mask
    for right in letters.values():
        rest = rest.without(right)
    return None if rest else "".join(name for name, right in letters.items() if mask & right)


def _object_name(ace: Ace) -> str | None:
    """What dsacls calls the object type, "" for none; None where its name is not known."""
    guid = ace.object_type
    if guid is None:
        return ""
    if ace.mask & _CHILDREN:
        return _name(Kind.CLASS, guid)
    if ace.mask & _PROPERTIES and (name := _name(Kind.ATTRIBUTE, guid)):
        return name
    # A control access right, a validated write or a property set goes by the name that Windows shows.
    wanted = int(ace.mask)
    shown = (
        right.display_name
        for right in bundled_rights()
        if right.guid == guid and right.valid_accesses & wanted
    )
    return next(shown, None)


def _name(kind: Kind, guid: UUID | None) -> str | None:
    if guid is None:
        return ""
    return next((name for name, each in bundled(kind).items() if each == guid), None)


def _quoted_dn(dn: str) -> str:
    """The DN as one argument of a command in a file of cmd.exe."""
    hexadecimal = _CMD_CHARACTER.sub(_hexadecimal, dn)
    # A backslash in front of the closing quote would escape it.
    if hexadecimal.endswith("\\\\"):
        hexadecimal = f"{hexadecimal[:-2]}\\5C"
    return f'"{hexadecimal}"'


def _hexadecimal(found: re.Match[str]) -> str:
    text = found[0]
    return f"\\{ord(text[-1]):02X}" if text[-1] in '"%' or text[-1] < " " else text


def _ldif_line(name: str, value: str) -> str:
    if value.isascii() and value.isprintable() and value[0] not in " :<" and not value.endswith(" "):
        return f"{name}: {value}"
    return f"{name}:: {base64.b64encode(value.encode('utf-8')).decode('ascii')}"


def _folded(line: str) -> Iterator[str]:
    yield line[:_LDIF_WIDTH]
    for start in range(_LDIF_WIDTH, len(line), _LDIF_WIDTH - 1):
        yield " " + line[start : start + _LDIF_WIDTH - 1]


def _plain(text: str) -> str:
    return _UNSAFE_IN_COMMENT.sub("?", text)
