"""Conditional expressions as text: the part of SDDL in the seventh field of a callback entry.

What is read becomes tokens in postfix order at once, by a stack of operators; no function here calls itself,
so that neither a million parentheses nor a million exclamation marks are more than an error or a condition.

Windows writes more parentheses than it needs, around each operand of ``&&``, ``||`` and ``!``; they are
written here as it writes them. It reads words in any case and writes ``Member_of_any`` for what the documents
call ``Member_of_Any``.

Sources: MS-DTYP 2.5.1.1 (cond-expr), 2.4.4.17.5 (literals); win32 "Security Descriptor Definition Language
for Conditional ACEs" (precedence, octet strings).
"""

from __future__ import annotations

import re
from typing import Final

from .condition import Attribute, Base, Condition, Integer, Literal, Operator, Scalar, Sign, Source, Token
from .errors import AclError, SddlError
from .sddl_names import SPACE, SidNames, escaped, name_from_text, name_to_text, number_from_text, sid_names
from .sid import Sid

__all__ = ["condition_from_sddl", "condition_to_sddl", "format_condition", "parse_condition"]

_O = Operator
#: How each operator is written; read in any case.
WORDS: Final[dict[Operator, str]] = {
    _O.EQUAL: "==", _O.NOT_EQUAL: "!=", _O.LESS: "<", _O.LESS_OR_EQUAL: "<=",
    _O.GREATER: ">", _O.GREATER_OR_EQUAL: ">=", _O.AND: "&&", _O.OR: "||", _O.NOT: "!",
    _O.CONTAINS: "Contains", _O.NOT_CONTAINS: "Not_Contains",
    _O.ANY_OF: "Any_of", _O.NOT_ANY_OF: "Not_Any_of",
    _O.EXISTS: "Exists", _O.NOT_EXISTS: "Not_Exists",
    _O.MEMBER_OF: "Member_of", _O.NOT_MEMBER_OF: "Not_Member_of",
    _O.MEMBER_OF_ANY: "Member_of_any", _O.NOT_MEMBER_OF_ANY: "Not_Member_of_any",
    _O.DEVICE_MEMBER_OF: "Device_Member_of", _O.NOT_DEVICE_MEMBER_OF: "Not_Device_Member_of",
    _O.DEVICE_MEMBER_OF_ANY: "Device_Member_of_any", _O.NOT_DEVICE_MEMBER_OF_ANY: "Not_Device_Member_of_any",
}  # fmt: skip
PREFIXES: Final = {Source.USER: "@USER.", Source.RESOURCE: "@RESOURCE.", Source.DEVICE: "@DEVICE."}

_BY_WORD: Final = {word.lower(): operator for operator, word in WORDS.items()}
_PREFIX_WORDS: Final = {prefix.lower(): source for source, prefix in PREFIXES.items()}
_UNARY: Final = frozenset(each for each in Operator if "MEMBER_OF" in each.name or "EXISTS" in each.name)
_EXISTS: Final = frozenset({_O.EXISTS, _O.NOT_EXISTS})
_BINARY: Final = frozenset(Operator) - _UNARY - {_O.AND, _O.OR, _O.NOT}
_PRECEDENCE: Final = {_O.OR: 1, _O.AND: 2}

_SPACE: Final = re.compile(f"[{SPACE}]*")
_PREFIX: Final = re.compile(r"@(?:user|device|resource)\.", re.IGNORECASE | re.ASCII)
_NAME: Final = re.compile(r"(?:[A-Za-z0-9:./_#$'*+\-;?@\[\\\]^`{}~]|[^\x00-\x7f]|%[0-9A-Fa-f]{4})+")
_LOCAL_NAME: Final = re.compile(
    r"(?:[A-Za-z0-9:./_]|[^\x00-\x7f]|%[0-9A-Fa-f]{4})(?:[A-Za-z0-9:./_@]|[^\x00-\x7f]|%[0-9A-Fa-f]{4})*"
)
_LOCAL_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:./_@")
_RELATION: Final = re.compile(r"[=!<>]=|[<>]|[A-Za-z_]+")
_JOIN: Final = re.compile(r"&&|\|\|")
_STRING: Final = re.compile(r'"([^"\x00]*)"')
_OCTETS: Final = re.compile(r"#([0-9A-Fa-f#]*)")
_SID: Final = re.compile(r'SID\(([^()"]*)\)', re.IGNORECASE | re.ASCII)
_INTEGER: Final = re.compile(r"[+\-]?[0-9A-Za-z]+")


def condition_from_sddl(
    text: str, *, domain_sid: Sid | None = None, forest_root_sid: Sid | None = None
) -> Condition:
    """The condition that text such as ``(@User.Title == "PM")`` stands for; raises SddlError."""
    return parse_condition(text, 0, len(text), sid_names(domain_sid, forest_root_sid))


def condition_to_sddl(
    condition: Condition, *, domain_sid: Sid | None = None, forest_root_sid: Sid | None = None
) -> str:
    """The text of a condition as Windows writes it; raises AclError for what text cannot hold."""
    return format_condition(condition, sid_names(domain_sid, forest_root_sid))


def parse_condition(source: str, start: int, end: int, names: SidNames) -> Condition:
    """condition = group

    group   = "(" or-expr ")"
    or-expr = and-expr *( "||" and-expr )
    and-expr = factor *( "&&" factor )
    factor  = term / ["!"] group

    Space may stand between any two of these. Windows wants the parentheses behind "!".
    """
    reader = _Reader(source, start, end, names)
    output: list[Token] = []
    pending: list[Operator | None] = []  # None is an open parenthesis
    while True:
        reader.open_groups(pending)
        if not pending:
            raise reader.error("a condition stands in parentheses")
        output += reader.term()
        reader.skip_space()
        while reader.take(")"):
            output += _closed_group(pending)
            reader.skip_space()
            if not pending:
                break
        if not pending:
            break
        join = _BY_WORD[reader.match(_JOIN, "expected '&&', '||' or ')'")[0]]
        while (top := pending[-1]) is not None and _PRECEDENCE[top] >= _PRECEDENCE[join]:
            output.append(top)
            pending.pop()
        pending.append(join)
    if reader.position != end:
        raise reader.error("a condition ends with its last parenthesis")
    try:
        return Condition(tuple(output))
    except AclError as error:
        raise SddlError(source, (start, end), str(error)) from None


def _closed_group(pending: list[Operator | None]) -> list[Operator]:
    """Take what is pending since the last open parenthesis, that included, and a negation in front of it."""
    output: list[Operator] = []
    while (operator := pending.pop()) is not None:
        output.append(operator)
    if pending and pending[-1] is _O.NOT:
        pending.pop()
        output.append(_O.NOT)
    return output


class _Reader:
    """A place in the text of a condition, and the words that can be read there."""

    def __init__(self, source: str, start: int, end: int, names: SidNames) -> None:
        self.source = source
        self.position = start
        self.end = end
        self.names = names

    def error(self, reason: str, start: int | None = None) -> SddlError:
        """The error for what stands here, or for what stands between ``start`` and here."""
        if start is None:
            return SddlError(self.source, (self.position, min(self.position + 1, self.end)), reason)
        return SddlError(self.source, (start, self.position), reason)

    def skip_space(self) -> None:
        match = _SPACE.match(self.source, self.position, self.end)
        self.position = match.end() if match else self.position

    def looking_at(self, character: str) -> bool:
        return self.source.startswith(character, self.position, self.end)

    def take(self, character: str) -> bool:
        found = self.looking_at(character)
        self.position += found
        return found

    def match(self, pattern: re.Pattern[str], reason: str) -> re.Match[str]:
        match = pattern.match(self.source, self.position, self.end)
        if not match:
            raise self.error(reason)
        self.position = match.end()
        return match

    def open_groups(self, pending: list[Operator | None]) -> None:
        """*( ["!"] "(" )"""
        while True:
            self.skip_space()
            if self.take("!"):
                pending.append(_O.NOT)
                self.skip_space()
                if not self.looking_at("("):
                    raise self.error("'!' is followed by an expression in parentheses")
            if not self.take("("):
                return
            pending.append(None)

    def term(self) -> tuple[Token, ...]:
        """term = member-of operand / exists attribute / attribute [ relation operand ]

        relation = "==" / "!=" / "<" / "<=" / ">" / ">=" / [ "Not_" ] ( "Contains" / "Any_of" )
        exists = [ "Not_" ] "Exists"
        member-of = [ "Not_" ] [ "Device_" ] "Member_of" [ "_Any" ]
        """
        start = self.position
        left = self.attribute()
        operator = _BY_WORD.get(self.source[start : self.position].lower(), _O.NOT)
        if operator in _UNARY:
            self.skip_space()
            return (self.attribute() if operator in _EXISTS else self.literal(), operator)
        self.skip_space()
        relation = _RELATION.match(self.source, self.position, self.end)
        if not relation:
            return (left,)
        operator = _BY_WORD.get(relation[0].lower(), _O.NOT)
        if operator not in _BINARY:
            raise self.error("not a relation")
        self.position = relation.end()
        self.skip_space()
        # Windows takes no local attribute here: its name could be a number or a literal's first word.
        return (left, self.attribute() if self.looking_at("@") else self.literal(), operator)

    def attribute(self) -> Attribute:
        """attribute = prefix 1*attr-char2 / attr-char1 *( attr-char1 / "@" )

        prefix = "@User." / "@Device." / "@Resource."
        attr-char1 = ALPHA / DIGIT / ":" / "." / "/" / "_" / any character beyond ASCII / "%" 4HEXDIG
        attr-char2 = attr-char1 / one of # $ ' * + - ; ? @ [ \\ ] ^ ` { } ~
        """
        prefix = _PREFIX.match(self.source, self.position, self.end)
        if not prefix:
            local = self.match(_LOCAL_NAME, "expected the name of an attribute")
            return Attribute(Source.LOCAL, name_from_text(local[0]))
        self.position = prefix.end()
        name = self.match(_NAME, "expected the name of an attribute")
        return Attribute(_PREFIX_WORDS[prefix[0].lower()], name_from_text(name[0]))

    def literal(self) -> Literal:
        """literal = scalar / "{" [ scalar *( "," scalar ) ] "}" / "(" literal ")" """
        opened = 0
        while self.take("("):
            opened += 1
            self.skip_space()
        value: Literal
        if self.take("{"):
            members: list[Scalar] = []
            self.skip_space()
            while not self.take("}"):
                if members and not self.take(","):
                    raise self.error("expected ',' or '}'")
                self.skip_space()
                members.append(self.scalar())
                self.skip_space()
            value = tuple(members)
        else:
            value = self.scalar()
        for _ in range(opened):
            self.skip_space()
            if not self.take(")"):
                raise self.error("expected ')'")
        return value

    def scalar(self) -> Scalar:
        """scalar = DQUOTE *CHAR DQUOTE / "#" *( HEXDIG / "#" ) / "SID(" sid-string ")" / integer

        In an octet string "#" stands for the digit 0, and an odd number of digits for one with 0 in front.
        """
        start = self.position
        if self.looking_at('"'):
            return self.match(_STRING, "a string ends with a quotation mark")[1]
        if self.looking_at("#"):
            digits = self.match(_OCTETS, "")[1].replace("#", "0")
            return bytes.fromhex("0" * (len(digits) % 2) + digits)
        sid = _SID.match(self.source, self.position, self.end)
        if sid:
            self.position = sid.end()
            try:
                return self.names.from_text(sid[1])
            except AclError as error:
                raise self.error(str(error), start) from None
        return self.integer()

    def integer(self) -> Integer:
        """integer = [ "+" / "-" ] ( "0x" 1*HEXDIG / "0" 1*OCTDIG / 1*DIGIT )"""
        start = self.position
        text = self.match(
            _INTEGER, "expected a literal, or an attribute with @User., @Device. or @Resource."
        )[0]
        value = number_from_text(text)
        if value is None:
            raise self.error("not an integer", start)
        if not -1 << 63 <= value < 1 << 64:
            raise self.error("an integer has 64 bits", start)
        sign = {"+": Sign.PLUS, "-": Sign.MINUS}.get(text[0], Sign.NONE)
        digits = text.lstrip("+-").lower()
        base = Base.OCTAL if digits[0] == "0" and digits != "0" else Base.DECIMAL
        base = Base.HEXADECIMAL if digits.startswith("0x") else base
        # Above 2**63 only the 64 bits themselves count.
        return Integer(value if value < 1 << 63 else value - (1 << 64), sign, base)


def format_condition(condition: Condition, names: SidNames) -> str:
    """The text of a condition, the outermost parentheses included; raises AclError."""
    tokens = condition.tokens
    starts: list[int] = []  # where the operands of each token begin
    for index, token in enumerate(tokens):
        start = index
        if isinstance(token, Operator):
            start = starts[index - 1]
            if token not in _UNARY and token is not _O.NOT:
                start = starts[start - 1]
        starts.append(start)
    parts: list[str] = []
    work: list[str | int] = [")", len(tokens) - 1, "("]
    while work:
        item = work.pop()
        if isinstance(item, str):
            parts.append(item)
            continue
        token = tokens[item]
        if not isinstance(token, Operator):
            parts.append(_operand(token, names))
        elif token in _PRECEDENCE:
            work += (")", item - 1, f") {WORDS[token]} (", starts[item - 1] - 1, "(")
        elif token is _O.NOT:
            work += (")", item - 1, "!(")
        elif token in _UNARY:
            parts += (WORDS[token], " ", _operand(tokens[item - 1], names))
        else:
            right = tokens[item - 1]
            if isinstance(right, Attribute) and right.source is Source.LOCAL:
                raise AclError("SDDL has no local attribute on the right of a relation")
            parts += (_operand(tokens[item - 2], names), f" {WORDS[token]} ", _operand(right, names))
    return "".join(parts)


def _operand(token: Token, names: SidNames) -> str:
    match token:
        case Attribute():
            return _attribute(token)
        case Integer():
            return _integer(token)
        case str():
            if '"' in token or "\0" in token:
                raise AclError("SDDL has no way to write a quotation mark or a zero inside a string")
            return f'"{token}"'
        case bytes():
            return f"#{token.hex()}"
        case Sid():
            return f"SID({names.to_text(token)})"
        case tuple():
            return "{" + ", ".join([_operand(member, names) for member in token]) + "}"
        case _:
            raise AclError("an operator is no operand")


def _attribute(attribute: Attribute) -> str:
    if attribute.source is not Source.LOCAL:
        return PREFIXES[attribute.source] + name_to_text(attribute.name)
    text = name_to_text(attribute.name, _LOCAL_PLAIN)
    # A name that would be read as something else begins with an escape.
    if text[0] == "@" or text.lower() in _BY_WORD:
        text = escaped(text[0]) + text[1:]
    return text


def _integer(number: Integer) -> str:
    if number.sign is Sign.MINUS and number.value > 0:
        raise AclError("SDDL has no way to write a positive integer with a minus")
    digits = abs(number.value) if number.sign is Sign.MINUS else number.value & 0xFFFFFFFFFFFFFFFF
    sign = {Sign.MINUS: "-", Sign.PLUS: "+"}.get(number.sign, "")
    if number.base is Base.HEXADECIMAL:
        return f"{sign}0x{digits:x}"
    return f"{sign}0{digits:o}" if number.base is Base.OCTAL else f"{sign}{digits}"
