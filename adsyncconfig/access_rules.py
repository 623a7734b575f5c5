"""Taking single entries off an object: exactly those that are given, and nothing else.

Rule 1: an entry is meant when it spells the same as SDDL: kind, flags, rights, GUIDs, trustee and condition. It has
        to be the object's own. Of entries that are equal one goes for each time that it is given.
Rule 2: one that is not there is no error: a second run finds nothing to do. One that is inherited is: it goes at
        the object that it comes from, which the error names.
Rule 3: an entry alike, with other rights, is not the one that is meant, and is shown. ``partial`` takes just the
        rights that are given out of it.
Rule 4: what the caller or Domain Admins need to undo this is not taken away without ``force``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Unpack
from uuid import UUID

from acl import Ace, AceFlag, Acl, AclError, SddlError, Sid
from acl.edit import remove, revoke
from acl.sddl import ace_from_sddl, ace_to_sddl

from .directory import Directory
from .dn import DistinguishedName
from .errors import ParameterError, UnsafePlan
from .forest import domain_of
from .keeping import domain_sid_of, refuse_to_lock_out
from .origin import OriginKind, Origins
from .plan import Change, Target, ace_text
from .result import SetResult
from .running import RunParameters, finish
from .schema import Kind, Schema
from .targets import named_target

__all__ = ["parse_rule", "remove_access_rules"]

CMDLET: Final = "Remove-ADSyncAccessRule"
OPERATION: Final = "Remove access rules"
_NO_CLASS: Final = UUID(int=0)


@dataclass(slots=True)
class _Taken:
    """What is left of a list, and what became of each rule."""

    dacl: Acl
    gone: list[Ace] = field(default_factory=list)
    absent: list[Ace] = field(default_factory=list)


def remove_access_rules(
    directory: Directory,
    object_dn: str,
    rules: Sequence[str],
    *,
    partial: bool = False,
    **run: Unpack[RunParameters],
) -> SetResult:
    """Take these entries off one object, each as SDDL.

    Raises ParameterError for text that is no entry, UnsafePlan where one is inherited or has other rights than
    those given, or where the caller could not undo it, and as ``named_target`` and ``finish``.
    """
    if not rules:
        raise ParameterError("give the entries to take away: -Rule '(A;CI;RP;;;S-1-5-11)'")
    name = DistinguishedName.parse(object_dn, what="-ADobjectDN")
    local = domain_of(directory, name)
    domain_sid = domain_sid_of(local)
    root = local.root.forest_root_sid
    root_sid = None if root is None else Sid.from_string(root)
    wanted = [parse_rule(text, domain_sid=domain_sid, forest_root_sid=root_sid) for text in rules]
    target = named_target(directory, object_dn)
    before = target.descriptor
    if before.dacl is None:
        raise UnsafePlan(
            target.dn, "it has no access control list, so that everybody has full control; mend that"
        )
    origins = Origins(local, _class_guids(local))
    taken = _take(before.dacl, wanted, target, origins, partial=partial)
    after = before if taken.dacl is before.dacl else before.with_dacl(taken.dacl)
    if after is not before and not run.get("force", False):
        refuse_to_lock_out(local, target.dn, before, after, domain_sid=domain_sid)
    change = Change(OPERATION, target.domain, target.dn, target.label, before, after)
    warnings = _warnings(target, taken, origins)
    return finish(CMDLET, None, [change], warnings=warnings, directory=directory, run=run)


def parse_rule(text: str, *, domain_sid: Sid | None = None, forest_root_sid: Sid | None = None) -> Ace:
    """The entry that -Rule names. Raises ParameterError, which says at which character it goes wrong."""
    try:
        return ace_from_sddl(text, domain_sid=domain_sid, forest_root_sid=forest_root_sid)
    except SddlError as error:
        raise ParameterError(f"-Rule '{text}' is no entry: {error}") from None


def _take(dacl: Acl, wanted: Iterable[Ace], target: Target, origins: Origins, *, partial: bool) -> _Taken:
    """The list without what is wanted. Raises UnsafePlan (rules 2 and 3)."""
    taken = _Taken(dacl)
    for rule in wanted:
        # The last one, as it is the one that `remove` takes.
        own = next((ace for ace, said in _spelled(taken.dacl, own=True) if said == rule), None)
        if own is not None:
            taken.dacl = remove(taken.dacl, own)
            taken.gone.append(own)
            continue
        above = next(
            (ace for ace, said in _spelled(taken.dacl, own=False) if said == _as_inherited(rule)), None
        )
        if above is not None:
            raise UnsafePlan(
                target.dn,
                f"{ace_text(above)} is {origins.of(target.dn, above).in_words()}; nothing was changed: take it "
                "away there",
            )
        near = [ace for ace, said in _spelled(taken.dacl, own=True) if _shares_rights(said, rule)]
        if near and not (partial and (rule.is_allow or rule.is_deny)):
            there = " and ".join(ace_text(ace) for ace in near)
            raise UnsafePlan(
                target.dn,
                f"{ace_text(rule)} is not there as it is given, but {there} is; nothing was changed: give that "
                "one, or add -Partial to take just these rights out of it",
            )
        for ace in near:
            taken.dacl = revoke(taken.dacl, replace(ace, mask=rule.mask))
            taken.gone.append(replace(ace, mask=ace.mask & rule.mask))
        if not near:
            taken.absent.append(rule)
    return taken


def _spelled(dacl: Acl, *, own: bool) -> Iterator[tuple[Ace, Ace]]:
    """The object's own entries, or the inherited ones, from the last, each with what its SDDL stands for.

    What SDDL has no text for cannot be named, and bytes that a writer allocated too many count for nothing.
    """
    for ace in reversed(dacl.aces):
        if ace.is_inherited is not own:
            try:
                yield ace, ace_from_sddl(ace_to_sddl(ace))
            except AclError:
                continue


def _as_inherited(rule: Ace) -> Ace:
    return replace(rule, flags=rule.flags | AceFlag.INHERITED)


def _shares_rights(ace: Ace, rule: Ace) -> bool:
    return bool(ace.mask & rule.mask) and replace(ace, mask=rule.mask) == rule


def _warnings(target: Target, taken: _Taken, origins: Origins) -> Iterator[str]:
    for rule in taken.absent:
        yield f"'{target.dn}' has no entry {ace_text(rule)} of its own: nothing was to be taken away for it"
    for ace in taken.gone:
        if ace.is_deny:
            yield (
                f"'{target.dn}': {ace_text(ace)} denied this to {ace.sid}; what another entry allows is allowed "
                "without it"
            )
        if (origin := origins.of(target.dn, ace)).kind is OriginKind.ADMIN_SD_HOLDER:
            yield (
                f"'{target.dn}' gets {ace_text(ace)} back within the hour, since '{origin.dn}' has it: take it "
                "away there"
            )


def _class_guids(local: Directory) -> Callable[[str], UUID]:
    schema = Schema(local)
    return lambda name: schema.known(Kind.CLASS, [name]).get(name, _NO_CLASS)
