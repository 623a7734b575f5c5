"""What is checked beyond the tests: script/nox -s SESSION..., or script/nox -l for the list.

`package` is part of .ci/run; the others are run by hand before a release:
    tests-3.11, tests-3.12, tests-3.13   the tests that need no controller, on each interpreter that is there
    lowest                               the same with the oldest dependencies that pyproject.toml admits
    sbom                                 what a user installs, as CycloneDX, in build/sbom.cdx.json
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = False
# Interpreters are those of this machine: uv is not to fetch others.
os.environ["UV_PYTHON_DOWNLOADS"] = "never"

BUILD = Path("build")
HERE = sys.executable


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """The tests that need no controller (script/test has those as well)."""
    session.install("-e", ".[test]")
    session.run("pytest", "-q", "-r", "fE", *session.posargs, env={"LAB": "off", "CI": ""})


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """The same with every dependency at its lower bound, on the oldest Python."""
    session.install("--resolution", "lowest-direct", "-e", ".[test]")
    session.run("uv", "pip", "list", external=True)
    session.run("pytest", "-q", "-r", "fE", *session.posargs, env={"LAB": "off", "CI": ""})


@nox.session(venv_backend="none")
def package(session: nox.Session) -> None:
    """Wheel and sdist: built, looked into, installed into an empty environment, and used from there."""
    home = BUILD / "package"
    shutil.rmtree(home, ignore_errors=True)
    dist, direct, empty = home / "dist", home / "direct", home / "empty"
    build = (HERE, "-m", "build", "--installer=uv")
    session.run(*build, f"--outdir={dist}", silent=True)  # the wheel comes out of the sdist
    session.run(*build, "--wheel", f"--outdir={direct}", silent=True)
    made = sorted(map(str, dist.iterdir()))
    session.run(HERE, "-m", "twine", "check", "--strict", *made)
    wheel = next(dist.glob("*.whl"))
    session.run(HERE, "-m", "check_wheel_contents", str(wheel))
    session.run("uv", "venv", "--quiet", f"--python={HERE}", str(empty), external=True)
    python = empty / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    session.run("uv", "pip", "install", "--quiet", f"--python={python}", str(wheel), external=True)
    session.run("uv", "pip", "check", f"--python={python}", external=True)
    session.run(HERE, "-m", "pytest", "-q", "tests/packaged.py", env={"PACKAGE": str(home.resolve())})
    # From a folder of its own, so that the installed packages are seen and not the source tree beside them.
    shutil.copy("tests/consumer/example.py", home)
    interpreter = os.path.abspath(python)  # noqa: PTH100 - resolved, the link would lead out of the environment
    with session.chdir(home):
        session.run("mypy", "--strict", "--python-executable", interpreter, "example.py")
        session.run("pyright", "--warnings", "--pythonpath", interpreter, "example.py")


@nox.session(python="3.11")
def sbom(session: nox.Session) -> None:
    """What a user gets with `pip install adsyncconfig`, as a CycloneDX document."""
    BUILD.mkdir(exist_ok=True)
    session.install(".")
    environment = Path(session.virtualenv.location)
    options = ("--pyproject", "pyproject.toml", "--mc-type", "application", "--output-reproducible")
    output = f"--output-file={BUILD / 'sbom.cdx.json'}"
    session.run(
        HERE,
        "-m",
        "cyclonedx_py",
        "environment",
        *options,
        output,
        str(environment / "bin/python"),
        external=True,
    )
