"""Command lines are bound as PowerShell binds them, or refused: vectors, properties, click around them."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cli.binding import BindingError, Parameter, is_parameter, rewrite
from cli.command import CmdletCommand, CmdletGroup, LazyCmdlet, parameter, switch

ROOT = Path(__file__).resolve().parents[1]
FIXTURE = json.loads((ROOT / "fixtures" / "command-lines.json").read_text(encoding="utf-8"))
TABLES = {
    name: [Parameter(**{**entry, "aliases": tuple(entry.get("aliases", ()))}) for entry in table]
    for name, table in FIXTURE["tables"].items()
}
FEATURE = TABLES["feature"]
VALUED = [p for p in FEATURE if not p.switch]
NAMES = [
    spelling
    for p in FEATURE
    for spelling in (
        f"-{p.name}",
        p.option,
        p.negative or p.option,
        *(a if a[0] == "-" else f"-{a}" for a in p.aliases),
    )
]
OU = "OU=Sync Groups,DC=contoso,DC=example"


@pytest.mark.parametrize("vector", FIXTURE["vectors"], ids=lambda vector: vector["name"])
def test_vector(vector: dict[str, Any]) -> None:
    table = TABLES[vector["table"]]
    if "tokens" in vector:
        assert rewrite(vector["argv"], table) == vector["tokens"]
        return
    with pytest.raises(BindingError) as refused:
        rewrite(vector["argv"], table)
    message = str(refused.value)
    for part in vector["error"]:
        assert part in message
    assert message.isprintable(), "one line, fit for a terminal"


# Properties. `words` leans towards what goes wrong: names, halves of names, dashes, colons, nothing at all.
# Characters include lone surrogates, which is how Python hands over bytes that are not UTF-8.
texts = st.text(st.characters())
values = texts.filter(lambda v: v.strip() and v.lower() not in {"$null", "$true", "$false"})
spellings = st.sampled_from(NAMES)
words = st.one_of(
    spellings,
    st.builds(lambda name, end: name[:end], spellings, st.integers(1, 30)),
    st.builds(lambda name, mark, value: f"{name}{mark}{value}", spellings, st.sampled_from(":="), texts),
    st.sampled_from(
        ["", " ", "-", "--", "-5", "$false", "$null", "true", "\u2013WhatIf", "\u2011\u2011x", OU]
    ),
    texts,
)
lines = st.lists(words, max_size=6)


@given(st.sampled_from(VALUED), st.sampled_from(":="), values)
def test_a_value_after_a_colon_arrives_unchanged(given_: Parameter, mark: str, value: str) -> None:
    for spelling in (f"-{given_.name}", f"-{given_.name.upper()}", given_.option):
        assert rewrite([f"{spelling}{mark}{value}"], FEATURE) == [f"{given_.option}={value}"]


@given(st.sampled_from(VALUED), values.filter(lambda value: not is_parameter(value)))
def test_a_value_in_an_argument_of_its_own_arrives_unchanged(given_: Parameter, value: str) -> None:
    for spelling in (f"-{given_.name}", given_.option):
        assert rewrite([spelling, value], FEATURE) == [f"{given_.option}={value}"]


@given(st.sampled_from(VALUED), spellings, st.sampled_from("-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"))
def test_a_parameter_never_swallows_another(given_: Parameter, name: str, dash: str) -> None:
    for spelling in (f"-{given_.name}", given_.option):
        with pytest.raises(BindingError, match="Missing an argument"):
            rewrite([spelling, name.replace("-", dash)], FEATURE)


@given(lines, st.sampled_from(sorted(TABLES)))
def test_what_comes_out_leaves_a_parser_no_choice(line: list[str], table: str) -> None:
    try:
        tokens = rewrite(line, TABLES[table])
    except BindingError as error:
        message = str(error)
        assert message.isprintable()
        return
    flags = {flag for p in TABLES[table] if p.switch for flag in (p.option, p.negative)}
    options = {p.option for p in TABLES[table] if not p.switch}
    separate = [argument for argument in line if is_parameter(argument)]
    for token in tokens:
        option, mark, value = token.partition("=")
        assert (option in options and value.strip()) if mark else option in flags
        # A name that stood alone on the line never became a value.
        assert value not in separate or any(
            argument.endswith(f"{m}{value}") for argument in separate for m in ":="
        )
    assert rewrite(tokens, TABLES[table]) == tokens


@given(lines)
def test_a_dry_run_stays_a_dry_run(line: list[str]) -> None:
    for at in range(len(line) + 1):
        try:
            assert "--what-if" in rewrite([*line[:at], "-WhatIf", *line[at:]], FEATURE)
        except BindingError:
            continue


def test_two_parameters_with_one_spelling_are_a_defect_of_the_table() -> None:
    with pytest.raises(ValueError, match="names both"):
        rewrite([], [Parameter("Path", "--path"), Parameter("PATH", "--other")])


# click


@click.command("Set-ADSyncExamplePermissions", cls=CmdletCommand)
@parameter("-ADobjectDN", "--ad-object-dn", help="Only this object.")
@parameter("-ObjectClass", "--object-class", position=1, default="user", envvar="EXAMPLE_CLASS")
@parameter("--plan-out", type=click.Path(), help="Write the plan.")
@parameter("-Compat", "--compat", type=click.Choice(["1.x", "2.x"]))
@parameter("-Secret", "--secret", hidden=True)
@switch("-WhatIf", "--what-if", "-wi", help="Change nothing.")
@switch("-Confirm", "--confirm", "-cf")
@parameter("-Server", "--server", multiple=True, section="Connection")
@parameter("-Timeout", "--timeout", type=int, section="Connection")
def example(**given_: Any) -> None:
    """Grant an example."""
    if given_["ad_object_dn"] == "conflict":
        raise click.UsageError("These two\n\tdo not go together.")
    click.echo(json.dumps(given_))


@click.command("Get-ADSyncNothing", cls=CmdletCommand)
@parameter("-Needed", "--needed", required=True)
def nothing(needed: str) -> None:
    """Get nothing."""


GROUP = CmdletGroup(
    "adsyncconfig",
    help="Example.",
    cmdlets={
        "Set-ADSyncExamplePermissions": LazyCmdlet("test_binding:example", "Grant an example."),
        "Set-ADSyncBrokenPermissions": LazyCmdlet("a_module_that_is_not_there:x", "Never imported."),
    },
    commands=[nothing],
)


def run(*line: str, command: click.Command = example, env: dict[str, str] | None = None) -> Any:
    result = CliRunner().invoke(command, line, env=env)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*line: str, command: click.Command = example) -> list[str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        command.main(line, prog_name=command.name)
    assert ended.value.code == 2
    assert out.getvalue() == ""
    return err.getvalue().splitlines()


def completions(command: click.Command, args: list[str], incomplete: str) -> list[str]:
    return [item.value for item in ShellComplete(command, {}, "x", "_X").get_completions(args, incomplete)]


def test_click_gets_values_types_and_defaults() -> None:
    given_ = run(
        "-adobj", OU, "-Timeout:5", "--plan-out", "plan.json", "-Server", "a", "-Server", "b", "group"
    )
    assert given_["ad_object_dn"] == OU
    assert given_["timeout"] == 5
    assert given_["plan_out"] == "plan.json"
    assert given_["server"] == ["a", "b"]
    assert given_["object_class"] == "group"
    assert run()["object_class"] == "user"
    assert run(env={"EXAMPLE_CLASS": "contact"})["object_class"] == "contact"
    assert run("-PlanOut", "x")["plan_out"] == "x"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ([], None),
        (["-wi"], True),
        (["-WhatIf:$false"], False),
        (["--what-if"], True),
        (["--no-what-if"], False),
    ],
)
def test_switch_is_absent_true_or_false(line: list[str], expected: bool | None) -> None:
    assert run(*line)["what_if"] is expected


@pytest.mark.parametrize(
    "value",
    ["a=b,c=d", "two words", "O=\"a\"'b'", "CONTOSO\\svc", "Grüße 部門", "a\nb", "-x", "--what-if", "="],
)
def test_value_reaches_the_command_unchanged(value: str) -> None:
    assert run(f"-ADobjectDN:{value}")["ad_object_dn"] == value


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["-ADobjectDN", "-WhatIf"], "Missing an argument for parameter 'ADobjectDN'."),
        (["-Timeout", "soon"], "Invalid value for '-Timeout': 'soon' is not a valid integer."),
        (["-Compat", "3.x"], "Invalid value for '-Compat': '3.x' is not one of '1.x', '2.x'."),
        (["-ADobjectDN", "conflict"], "These two do not go together."),
    ],
)
def test_error_is_one_line_and_where_help_is(line: list[str], message: str) -> None:
    first, second = refused(*line)
    assert first.startswith(f"Set-ADSyncExamplePermissions: {message}")
    assert "-?" in second
    assert "--help" in second


def test_missing_parameter_is_named_as_powershell_names_it() -> None:
    assert "'-Needed'" in refused(command=nothing)[0]


def test_help_speaks_powershell() -> None:
    text = CliRunner().invoke(example, ["-?"]).stdout
    assert (
        text == CliRunner().invoke(example, ["--help"]).stdout == CliRunner().invoke(example, ["-h"]).stdout
    )
    assert "-ADobjectDN, --ad-object-dn <String>\n" in text
    assert "-Server, --server <String[]>\n" in text
    assert "-Timeout, --timeout <Int32>\n" in text
    assert "-PlanOut, --plan-out <Path>\n" in text
    assert "-WhatIf, --what-if\n        Change nothing.  [alias: -wi]\n" in text
    assert "--no-what-if" not in text
    assert "Secret" not in text
    usage, _, sections = text.partition("Grant an example.")
    for piece in (
        "[-ADobjectDN <String>]",
        "[[-ObjectClass] <String>]",
        "[-Compat {1.x | 2.x}]",
        "[-WhatIf]",
    ):
        assert piece in usage
    assert "[<Connection>]" in usage
    assert "-Server" not in usage
    assert sections.index("Parameters:") < sections.index("-Confirm") < sections.index("Connection:")
    assert sections.index("Connection:") < sections.index("-Server")
    assert "[-Needed" not in CliRunner().invoke(nothing, ["-?"]).stdout


@pytest.mark.parametrize(
    ("args", "incomplete", "expected"),
    [
        ([], "-ADo", ["-ADobjectDN"]),
        ([], "-ado", ["-ADobjectDN"]),
        ([], "--ad", ["--ad-object-dn"]),
        ([], "--no-w", ["--no-what-if"]),
        (["-ADobjectDN", "x"], "-ADo", []),
        (["-adob:x"], "--ad", []),
        (["-ADobjectDN"], "--ad", ["--ad-object-dn"]),
        (["-Nonsense", "-Confirm:"], "-ADo", ["-ADobjectDN"]),
        (["-Compat"], "", ["1.x", "2.x"]),
        (["--compat"], "1", ["1.x"]),
    ],
)
def test_completion(args: list[str], incomplete: str, expected: list[str]) -> None:
    assert completions(example, args, incomplete) == expected
    assert completions(GROUP, ["set-adsyncexamplepermissions", *args], incomplete) == expected


def test_group_completes_without_importing() -> None:
    assert completions(GROUP, [], "set-adsync") == [
        "Set-ADSyncExamplePermissions",
        "Set-ADSyncBrokenPermissions",
    ]
    assert completions(GROUP, [], "--he") == ["--help"]
    assert completions(GROUP, ["Nonsense"], "") == [*GROUP.cmdlets, "Get-ADSyncNothing"]


@pytest.mark.parametrize(
    "name",
    ["Set-ADSyncExamplePermissions", "set-adsyncEXAMPLEpermissions", "Set\u2013ADSyncExamplePermissions"],
)
def test_group_finds_a_cmdlet_in_any_case(name: str) -> None:
    assert run(name, "-wi", command=GROUP)["what_if"] is True
    assert refused(name, "-ADobjectDN", command=GROUP)[0].startswith("Set-ADSyncExamplePermissions: Missing")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["Set-ADSyncExamplePermission"], "Write the name in full: Set-ADSyncExamplePermissions."),
        (["set-"], "Write the name in full: Set-ADSyncExamplePermissions, Set-ADSyncBrokenPermissions."),
        (["Get-ADSyncNotihng"], "Did you mean Get-ADSyncNothing?"),
        (["\x1b"], "The term '\\x1b' is not recognized as the name of a cmdlet."),
        ([""], "The term '' is not recognized as the name of a cmdlet."),
        (["-WhatIf", "Set-ADSyncExamplePermissions"], "A cmdlet's parameters follow its name."),
        (["--", "Set-ADSyncExamplePermissions"], "'--' is not taken"),
    ],
)
def test_group_never_guesses(line: list[str], message: str) -> None:
    first, second = refused(*line, command=GROUP)
    assert first.startswith("adsyncconfig: ")
    assert message in first
    assert "-?" in second


def test_group_help_lists_synopses_without_importing() -> None:
    text = CliRunner().invoke(GROUP, ["-?"]).stdout
    assert text == CliRunner().invoke(GROUP, ["--help"]).stdout
    assert "  Set-ADSyncBrokenPermissions\n        Never imported.\n" in text
    assert "  Get-ADSyncNothing\n        Get nothing.\n" in text
    assert "Cmdlets:" in CliRunner().invoke(GROUP, []).output


def test_declarations_that_cannot_work() -> None:
    with pytest.raises(TypeError, match="no POSIX spelling"):
        parameter("-Path")
    with pytest.raises(TypeError, match="no click command"):
        LazyCmdlet("test_binding:OU", "").load()


def process(source: str, *line: str) -> subprocess.CompletedProcess[str]:
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        "PYTHONIOENCODING": "utf-8",
    }
    return subprocess.run(
        [sys.executable, "-c", source, *line],
        env=env,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_as_a_process() -> None:
    source = "from test_binding import GROUP; GROUP(prog_name='adsyncconfig')"
    done = process(source, "Set-ADSyncExamplePermissions", "-ADobjectDN", "OU=Grüße", "-Confirm:$false")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["ad_object_dn"] == "OU=Grüße"
    failed = process(source, "Set-ADSyncExamplePermissions", "-ADobjectDN", "-WhatIf")
    assert failed.returncode == 2
    assert failed.stdout == ""
    assert failed.stderr.splitlines()[1:] == [
        "For help: adsyncconfig Set-ADSyncExamplePermissions -? (or --help)"
    ]


def test_start_up_imports_little_besides_click() -> None:
    source = "import click, sys; had = {*sys.modules}; import cli.command; print(*{*sys.modules} - had)"
    ours = {"cli", "cli.binding", "cli.command"}
    assert set(process(source).stdout.split()) - ours <= {
        "dataclasses",
        "copy",
        "importlib",
        "textwrap",  # click imports it too, for any help
        "importlib._bootstrap",
        "gc",
    }
