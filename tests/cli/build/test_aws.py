"""`unigate build --target aws`: the template and the zip; tests/builds runs AWS's tools on them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import select
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.projects import GATEWAY, project, tree, write
from unigate.cli.build import bundle
from unigate.cli.build.aws.function import RESERVED
from unigate.cli.build.installed_files import installed_files
from unigate.cli.main import main

ROOT = Path(__file__).resolve().parents[3]

# A package as pip and uv install it, with files that a function needs and others.
PACKAGE = {
    "teapot/__init__.py": "KIND = 'porcelain'\n",
    "teapot/testing.py": "",
    "teapot/data/tea.json": "{}",
    "teapot/tests/test_tea.py": "",
    "teapot/inner/tests/fixture.py": "",
    "teapot/__init__.pyi": "KIND: str\n",
    "teapot/_speed.c": "int main;",
    "teapot/locale/de.po": "",
    "teapot/locale/de.mo": "x",
    "teapot-1.5.data/scripts/teapot": "#!python\n",
    "teapot/legacy.pyc": "",
    "teapot-1.5.dist-info/METADATA": "Metadata-Version: 2.1\nName: teapot\nVersion: 1.5\n",
    "teapot-1.5.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    "teapot-1.5.dist-info/entry_points.txt": "[x]\ny = teapot:KIND\n",
}
TAGS = ("py3-none-any", "cp312-cp312-manylinux_2_28_x86_64", "cp311-cp311-manylinux2014_aarch64")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for name in ("PIP", "UV"):
        monkeypatch.setenv(f"{name}_NO_INDEX", "1")
        monkeypatch.setenv(f"{name}_FIND_LINKS", str(shelf))
    make_wheel(shelf, "py3-none-any")
    files = {"requirements.txt": "teapot\n", "pyproject.toml": '[tool.unigate]\npython = "3.12"\n'}
    with project(tmp_path / "project", monkeypatch, files) as made:
        yield made


def make_wheel(shelf: Path, tag: str) -> None:
    with zipfile.ZipFile(shelf / f"teapot-1.5-{tag}.whl", "w") as wheel:
        lines = ["teapot-1.5.dist-info/RECORD,,"]
        for path, text in {**PACKAGE, "teapot/tag": tag}.items():
            wheel.writestr(path, text.replace("{tag}", tag))
            lines.append(f"{path},,")
        wheel.writestr("teapot-1.5.dist-info/RECORD", "\n".join(lines) + "\n")


def build(*args: str) -> int:
    # test_bytecode.py is about bytecode, which takes time.
    return main(["build", "main:app", "--target", "aws", "--no-bytecode", *args])


def members(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# The zip


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_the_zip_has_the_project_and_its_dependencies(
    folder: Path, monkeypatch: pytest.MonkeyPatch, installer: str
) -> None:
    if installer == "pip":
        monkeypatch.setattr(bundle, "find_uv", lambda: None)
    write(folder, {"pages/a.html": "<h1>", "tests/test_main.py": ""})
    assert build() == 0
    assert set(members(folder / "build/aws/function.zip")) == {
        "main.py", "pages/a.html", "pyproject.toml", "requirements.txt",
        *(path for path in PACKAGE if not path.endswith("scripts/teapot")),
        "teapot/tag", "teapot-1.5.dist-info/RECORD",
    }  # fmt: skip


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_package_without_a_wheel_gets_what_to_do(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    installer: str,
) -> None:
    if installer == "pip":
        monkeypatch.setattr(bundle, "find_uv", lambda: None)
    information = b"Metadata-Version: 2.1\nName: kettle\nVersion: 2.0\n"
    with tarfile.open(folder.parent / "shelf/kettle-2.0.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("kettle-2.0/PKG-INFO")
        member.size = len(information)
        archive.addfile(member, io.BytesIO(information))
    write(folder, {"requirements.txt": "teapot\nkettle\n"})
    assert build() == 2
    assert capsys.readouterr().err.endswith(
        "There is no wheel of kettle for this platform and Python. Build it with `pip wheel "
        "--no-deps -w wheels kettle`, and require the file in wheels/ in place of the name.\n"
    )


@pytest.mark.parametrize("how", ["option", "setting"])
def test_files_of_packages_can_be_kept(folder: Path, how: str) -> None:
    if how == "setting":
        write(folder, {"pyproject.toml": '[tool.unigate]\nkeep = ["bin/*"]\n'})
    assert build() == 0
    assert ("bin/teapot" in members(folder / "build/aws/function.zip")) == (how == "setting")
    if how == "option":
        assert build("--keep", "*/nothing", "--keep", "bin/*") == 0
        assert "bin/teapot" in members(folder / "build/aws/function.zip")


def test_the_list_of_a_packages_files_has_those_that_are_there(folder: Path) -> None:
    assert build() == 0
    zipped = members(folder / "build/aws/function.zip")
    lines = zipped["teapot-1.5.dist-info/RECORD"].decode().splitlines()
    paths = [line.partition(",")[0] for line in lines]
    assert paths == sorted(path for path in zipped if path.startswith("teapot"))


def test_only_what_was_proved_to_be_unused_is_left_out_of_a_package(tmp_path: Path) -> None:
    paths = {"numpy/core/tests/a.py", "numpy/a.h", "numpy/a.pyi", "numpy/core/lib/a.a", "tea/a.po"}
    paths |= {"tea/tests/a.py", "tea/a.c", "django/conf/locale/de/a.po", "django/a.mo", "tea/x.pyc"}
    packages = tmp_path / "packages"
    write(packages, dict.fromkeys(paths, ""))
    unused = {"numpy/core/tests/a.py", "numpy/core/lib/a.a", "django/conf/locale/de/a.po"}
    assert set(installed_files(packages)) == paths - unused
    assert set(installed_files(packages, ["numpy/*/tests/*"])) == paths - unused | {
        "numpy/core/tests/a.py"
    }


@pytest.mark.parametrize("line", [
    "from numpy._core.tests._natype import x", "    import numpy.tests", "from .tests import x",
])  # fmt: skip
def test_tests_that_the_package_itself_imports_are_kept(tmp_path: Path, line: str) -> None:
    packages = tmp_path / "packages"
    write(packages, {"numpy/testing.py": f"if 1:\n    pass\n{line}\n", "numpy/core/tests/a.py": ""})
    assert "numpy/core/tests/a.py" in installed_files(packages)
    write(packages, {"numpy/testing.py": "# from .tests import x\nimport tests_of\n"})
    assert "numpy/core/tests/a.py" not in installed_files(packages)


def test_two_builds_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        write(folder, {"main.py": GATEWAY})  # again, so at another time
        assert build("--output", str(tmp_path / name)) == 0
        zipped = (tmp_path / name / "function.zip").read_bytes()
        digests.append(hashlib.sha256(zipped).hexdigest())
        os.utime(folder / "requirements.txt", (0, 0))
        with zipfile.ZipFile(tmp_path / name / "function.zip") as archive:
            # Without this, two builds within two seconds would have the same times by chance.
            assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert digests[0] == digests[1]


def test_the_order_of_files_makes_no_difference(tmp_path: Path) -> None:
    bundle.write_zip(tmp_path / "one.zip", {"a": b"1", "b": b"2"})
    bundle.write_zip(tmp_path / "two.zip", {"b": b"2", "a": b"1"})
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


@pytest.mark.parametrize(
    ("settings", "tag"),
    [
        ('python = "3.12"', "cp312-cp312-manylinux_2_28_x86_64"),
        ('python = "3.11"\n[tool.unigate.aws]\narchitecture = "arm64"',
         "cp311-cp311-manylinux2014_aarch64"),
        ('python = "3.11"', "py3-none-any"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_wheels_match_the_target_platform(
    folder: Path, monkeypatch: pytest.MonkeyPatch, settings: str, tag: str, installer: str
) -> None:
    if installer == "pip":
        monkeypatch.setattr(bundle, "find_uv", lambda: None)
    for one in TAGS:
        make_wheel(folder.parent / "shelf", one)
    write(folder, {"pyproject.toml": f"[tool.unigate]\n{settings}\n"})
    assert build() == 0
    assert members(folder / "build/aws/function.zip")["teapot/tag"].decode() == tag


def test_dependencies_may_be_in_pyproject(folder: Path) -> None:
    (folder / "requirements.txt").unlink()
    write(folder, {"pyproject.toml": '[project]\nname = "x"\ndependencies = ["teapot>=1"]\n'})
    assert build() == 0
    assert "teapot/__init__.py" in members(folder / "build/aws/function.zip")


def test_requirements_may_be_in_another_file(folder: Path) -> None:
    write(folder, {
        "all.txt": "teapot==1.5\n", "requirements.txt": "nowhere-to-be-found\n",
        "pyproject.toml": '[tool.unigate]\nrequirements = "all.txt"\n',
    })  # fmt: skip
    assert build() == 0
    (folder / "all.txt").unlink()
    assert build() == 2


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_an_empty_list_of_dependencies_is_a_declaration(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    installer: str,
) -> None:
    if installer == "pip":
        monkeypatch.setattr(bundle, "find_uv", lambda: None)
    (folder / "requirements.txt").unlink()
    write(folder, {"pyproject.toml": '[project]\nname = "x"\ndependencies = []\n'})
    assert build("--output", "out") == 0
    assert "main.py" in members(folder / "out/function.zip")
    assert "unigate is not in the zip" in capsys.readouterr().err


def test_a_project_without_dependencies_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "requirements.txt").unlink()
    assert build() == 2
    assert "No dependencies are declared" in capsys.readouterr().err
    assert not (folder / "build").exists()


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_failed_installation_leaves_no_files(
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    installer: str,
) -> None:
    if installer == "pip":
        monkeypatch.setattr(bundle, "find_uv", lambda: None)
    write(folder, {"requirements.txt": "nowhere-to-be-found\n"})
    assert build() == 2
    err = capfd.readouterr().err
    assert "nowhere-to-be-found" in err
    assert "unigate: The project's dependencies cannot be installed." in err
    assert not (folder / "build").exists()


@pytest.mark.parametrize(("installer", "line"), [
    ("uv", "\n + teapot==1.5\n"), ("pip", "\nSuccessfully installed teapot-1.5\n"),
])  # fmt: skip
def test_the_output_of_the_installer_is_plain_in_a_log(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    installer: str, line: str,
) -> None:  # fmt: skip
    if installer == "pip":
        monkeypatch.setattr(bundle, "find_uv", lambda: None)
    assert build() == 0
    out, err = capfd.readouterr()
    assert err.startswith("Installing for Python 3.12 on x86_64:\n")
    assert line in err
    assert not set(err) & {"\r", "\x1b"}
    assert out.startswith("2 files written to ")


def test_a_terminal_shows_the_progress_of_the_installation(folder: Path) -> None:
    ours, theirs = os.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "unigate", "build", "main:app", "--target", "aws"],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=theirs,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "80"},
        )  # fmt: skip
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # at its end
            while select.select([ours], [], [], 60)[0] and (received := os.read(ours, 65536)):
                shown += received
        assert process.wait(60) == 0
    finally:
        os.close(ours)
    before, _, after = shown.partition(b"\x1b[1mteapot\x1b[0m")  # as only a terminal gets it
    assert b"\r" in before
    assert b"Zip  [####" in after


def test_a_zip_without_unigate_is_a_warning(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    warning = "Warning: unigate is not in the zip: add it to the project's dependencies.\n"
    assert build() == 0
    assert capfd.readouterr().err.endswith(warning)
    write(folder, {"unigate/__init__.py": ""})  # a copy of it will do
    assert build() == 0
    assert warning not in capfd.readouterr().err


def test_the_size_of_each_package_is_printed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"big.bin": "x" * 3 * 2**20})
    assert build() == 0
    err = capsys.readouterr().err
    assert "3.0 MB  (the project)\n" in err
    assert "0.0 MB  teapot 1.5\n" in err


def test_the_output_folder_is_not_in_the_zip(folder: Path) -> None:
    assert build("--output", "made") == 0
    first = (folder / "made/function.zip").read_bytes()
    assert build("--output", "made") == 0
    assert (folder / "made/function.zip").read_bytes() == first


def test_the_output_of_other_builds_is_not_in_the_zip(folder: Path) -> None:
    assert build() == 0
    assert build("--output", "other") == 0
    first, second = folder / "build/aws/function.zip", folder / "other/function.zip"
    assert first.read_bytes() == second.read_bytes()


def test_dangling_links_are_left_out(folder: Path) -> None:
    (folder / "gone").symlink_to("/nowhere")
    assert build() == 0
    assert "gone" not in members(folder / "build/aws/function.zip")


def test_names_of_files_are_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["new\nline", "\U0001f600", "e\u0301", "a b", "$(id)", "a'b", "back\\slash", "\u2028"]
    write(folder, {f"data/{name}": name for name in names})
    assert build() == 0
    zipped = members(folder / "build/aws/function.zip")
    assert {f"data/{name}": name.encode() for name in names}.items() <= zipped.items()
    (folder / os.fsdecode(b"latin\xe9")).touch()
    assert build() == 2
    err = capsys.readouterr().err
    assert err.endswith("\\udce9' is not UTF-8, as a zip requires: rename the file.\n")
    assert members(folder / "build/aws/function.zip") == zipped


# The template


def template(folder: Path, settings: str = "") -> Any:
    write(folder, {"pyproject.toml": f'[tool.unigate]\npython = "3.12"\n{settings}\n'})
    assert build("--output", "out") == 0
    return yaml.safe_load((folder / "out/template.yaml").read_text("utf-8"))


def properties(loaded: Any) -> Any:
    return loaded["Resources"]["Function"]["Properties"]


def test_settings_are_in_the_template(folder: Path) -> None:
    loaded = template(
        folder,
        'memory = 1024\ntimeout = 60\nenvironment = {BE = "x: \'1\' # \\"", AN = "true"}\n'
        '[tool.unigate.aws]\narchitecture = "arm64"\n',
    )
    assert loaded["AWSTemplateFormatVersion"] == "2010-09-09"
    assert loaded["Description"] == "The application main:app"
    assert loaded["Outputs"]["Url"]["Value"] == {"Fn::GetAtt": ["ServerlessHttpApi", "ApiEndpoint"]}
    assert properties(loaded) == {
        "CodeUri": "function.zip",
        "Handler": "main.app",
        "Runtime": "python3.12",
        "Architectures": ["arm64"],
        "MemorySize": 1024,
        "Timeout": 60,
        "Environment": {"Variables": {"AN": "true", "BE": "x: '1' # \""}},
        "Events": {"EveryRequest": {"Type": "HttpApi", "Properties": {}}},
    }


# Values that YAML, CloudFormation, Jinja2, a shell or Python could take for something else.
HARD_VALUES = [
    *["", " ", "\n", "a\nb: c\n", "\r\n", "\ta", "a ", " a", "- a", "? a", "# a", "a # b", "a: b"],
    *["'", '"', "\\", "\\n", "'\"'", '"\nHandler: "evil.app', "%YAML 1.2", "---", "...", "|", ">"],
    *["yes", "No", "on", "OFF", "y", "n", "true", "~", "null", "Null", "None", "0", "007", "0o7"],
    *["1e3", "1_000", "0x1F", "1.5", ".5", "-.inf", ".nan", "12:30:45", "2026-01-02", "=", "<<"],
    *["@", "`", "!Ref Vpc", "!Sub ${A}", "!!python/object:os.system", "&a", "*a", "{a: b}", "[a]"],
    *["${AWS::Region}", "${a}", "$(id)", "`id`", "{{ x }}", "{% x %}", "{# x #}", "%s", "{0}"],
    *["Fn::Sub", '{"Ref": "Vpc"}', "a" * 3000, "a b " * 1000, "a\n" * 100, "</script>", "a'b"],
    *["\u00e9", "e\u0301", "\u65e5\u672c", "\U0001f600", "\u2028", "\u2029", "\x85", "\ufeff"],
    *["\xa0", "\x07", "\x1b[0m", "\x7f", "\x9f", "\ufffe", "\uffff", "\U0010ffff", "\u202e"],
]  # fmt: skip
HARD_NAMES = [
    *["yes", "No", "on", "OFF", "null", "Null", "true", "E1", "inf", "nan", "Reff", "Ref_", "ref"],
    *["a" * 100, "A_1", "Condition"],
]  # fmt: skip


def test_names_and_values_are_what_they_are_for_every_parser_of_yaml(folder: Path) -> None:
    """A parser without types returns every value as its text, so quotes must not be needed."""
    wanted = {f"V{number}": value for number, value in enumerate(HARD_VALUES)}
    wanted |= {name: name for name in HARD_NAMES}
    table = "\n".join(f"{name} = {json.dumps(value)}" for name, value in wanted.items())
    # TOML has no surrogate pairs, and no raw control characters.
    table = re.sub(
        r"\\ud[89ab]..\\ud[c-f]..",
        lambda pair: f"\\U{ord(json.loads(chr(34) + pair[0] + chr(34))):08x}",
        table,
    ).replace("\x7f", "\\u007f")
    loaded = template(folder, f"[tool.unigate.environment]\n{table}")
    assert properties(loaded)["Environment"]["Variables"] == wanted
    assert properties(loaded)["Handler"] == "main.app"
    text = (folder / "out/template.yaml").read_text("utf-8")
    untyped = yaml.load(text, yaml.BaseLoader)
    assert properties(untyped)["Environment"]["Variables"] == wanted
    # Quoted, because other parsers than PyYAML take more plain text for numbers and the like.
    lines = text.partition("Variables:\n")[2].partition("      Events:")[0].splitlines()
    assert len(lines) == len(wanted)
    assert all(re.fullmatch(r' *"[A-Za-z0-9_]+": ".*"', line) for line in lines)


@pytest.mark.parametrize("name", ["A", "_", "_A", "__", "Ref"])
def test_a_variable_that_lambda_cannot_have_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    write(folder, {"pyproject.toml": f"[tool.unigate.environment]\n{name} = 'x'\n"})
    assert build() == 2
    assert capsys.readouterr().err.startswith(f"unigate: Lambda has no variable {name!r} of ")


@pytest.mark.parametrize("runtime", ["aws", "unigate"])
@pytest.mark.parametrize("name", RESERVED)
def test_a_variable_that_lambda_sets_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, runtime: str
) -> None:
    settings = f"[tool.unigate]\naws.runtime = '{runtime}'\nenvironment.{name} = 'x'\n"
    write(folder, {"pyproject.toml": settings})
    assert build("--dry-run") == 2
    assert capsys.readouterr().err.startswith(f"unigate: Lambda sets the variable {name} itself:")


def test_a_variable_that_lambda_lets_functions_set_is_in_the_template(folder: Path) -> None:
    names = ["TZ", "LANG", "PATH", "PYTHONPATH", "AWS_XRAY_CONTEXT_MISSING", "AWS_PROFILE"]
    names += ["AWS_LAMBDA_EXEC_WRAPPER", "AWS_LAMBDA_LOG_LEVEL", "aws_region", "AWS_REGION_2"]
    table = "\n".join(f"{name} = 'mine'" for name in names)
    loaded = template(folder, f"[tool.unigate.environment]\n{table}")
    wanted = dict.fromkeys(names, "mine")
    assert properties(loaded)["Environment"]["Variables"] == wanted


@pytest.mark.parametrize("value", ["/mine", "", "/var/task/unigate-runtime"])
@pytest.mark.parametrize("trigger", ["http_api", "function_url", "alb"])
def test_a_wrapper_in_the_place_of_the_runtimes_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], trigger: str, value: str
) -> None:
    aws = f"[tool.unigate.aws]\nruntime = 'unigate'\ntrigger = '{trigger}'\n"
    variables = f"[tool.unigate.environment]\nAWS_LAMBDA_EXEC_WRAPPER = '{value}'\n"
    write(folder, {"pyproject.toml": aws + variables})
    assert build("--dry-run") == 2
    err = capsys.readouterr().err
    assert "AWS_LAMBDA_EXEC_WRAPPER starts unigate's runtime: remove it from " in err


@pytest.mark.parametrize("value", ["0", "off", "", "1", "TRUE", "on"])
def test_the_users_choice_of_streaming_wins(folder: Path, value: str) -> None:
    """The mode of the function URL follows, because the runtime replies in that mode."""
    made = properties(
        template(
            folder,
            f"aws.trigger = 'function_url'\nenvironment.UNIGATE_RESPONSE_STREAMING = '{value}'",
        )
    )
    assert made["Environment"]["Variables"]["UNIGATE_RESPONSE_STREAMING"] == value
    mode = "RESPONSE_STREAM" if value in ("1", "TRUE", "on") else "BUFFERED"
    assert made["FunctionUrlConfig"]["InvokeMode"] == mode


@pytest.mark.parametrize("trigger", ["http_api", "function_url", "alb"])
def test_the_template_refers_to_what_it_has(folder: Path, trigger: str) -> None:
    loaded = template(folder, f'[tool.unigate.aws]\ntrigger = "{trigger}"')
    assert list(loaded)[:3] == ["AWSTemplateFormatVersion", "Transform", "Description"]
    # SAM makes the resource FunctionUrl, and ServerlessHttpApi.
    known = {
        *loaded["Resources"],
        *loaded.get("Parameters", {}),
        "FunctionUrl",
        "ServerlessHttpApi",
    }
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            if value.keys() & {"Ref", "Fn::GetAtt"}:
                [name] = value.values()
                found.append(name if isinstance(name, str) else name[0])
            for child in value.values():
                look(child)
        elif isinstance(value, list):
            for child in value:
                look(child)

    look(loaded)
    assert set(found) <= known
    assert len(found) == {"http_api": 2, "function_url": 2, "alb": 8}[trigger]


@pytest.mark.parametrize(
    ("settings", "streams"),
    [
        ('trigger = "function_url"', True),
        ('trigger = "function_url"\nruntime = "aws"', False),
        ('trigger = "http_api"\nruntime = "unigate"', True),
        ('trigger = "http_api"', False),
        ('trigger = "alb"', False),
    ],
)
def test_our_runtime_is_in_the_zip_if_it_is_used(
    folder: Path, settings: str, streams: bool
) -> None:
    made = properties(template(folder, f"[tool.unigate.aws]\n{settings}"))
    variables = made.get("Environment", {}).get("Variables", {})
    is_url = "function_url" in settings
    wanted = {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/unigate-runtime"} if streams else {}
    assert variables == wanted | (
        {"UNIGATE_RESPONSE_STREAMING": "on"} if streams and is_url else {}
    )
    mode = "RESPONSE_STREAM" if streams else "BUFFERED"
    assert made.get("FunctionUrlConfig", {}).get("InvokeMode") == (mode if is_url else None)
    with zipfile.ZipFile(folder / "out/function.zip") as archive:
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
    assert ("unigate-runtime" in modes) == streams
    assert modes.get("unigate-runtime", 0o100755) == 0o100755
    assert modes["main.py"] == 0o100644


def test_the_wrapper_starts_our_runtime_with_the_interpreter_of_lambda(
    folder: Path, tmp_path: Path
) -> None:
    template(folder, '[tool.unigate.aws]\ntrigger = "function_url"')
    with zipfile.ZipFile(folder / "out/function.zip") as archive:
        archive.extractall(tmp_path / "task")
    wrapper = tmp_path / "task/unigate-runtime"
    wrapper.chmod(0o755)
    python = tmp_path / "python3.12"
    python.write_text('#!/bin/sh\npwd\necho "$@"\necho "$PYTHONPATH"\n')
    python.chmod(0o755)
    done = subprocess.run(
        [wrapper, python, "/var/runtime/bootstrap.py"],
        env={
            "_HANDLER": "main.app",
            "LAMBDA_TASK_ROOT": str(tmp_path / "task"),
            "LAMBDA_RUNTIME_DIR": "/var/runtime",
            "PYTHONPATH": "/mine",
        },
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    path = "/mine:/opt/python/lib/python3.12/site-packages:/opt/python:/var/runtime"
    assert done.stdout == f"{tmp_path / 'task'}\n-m unigate.lambda_runtime main.app\n{path}\n"


@pytest.mark.parametrize("target", ["main:site", "main:box.app"])
def test_a_target_that_lambda_cannot_call_gets_an_entry_point(folder: Path, target: str) -> None:
    write(folder, {"main.py": f"{GATEWAY}\nclass box:\n    app = app\n"})
    assert main(["build", target, "--target", "aws", "--output", "out"]) == 0
    assert 'Handler: "lambda_function.handler"\n' in (folder / "out/template.yaml").read_text()
    code = members(folder / "out/function.zip")["lambda_function.py"].decode()
    namespace: dict[str, object] = {}
    exec(code, namespace)
    event = {"httpMethod": "GET", "path": "/users/ada"}
    reply = namespace["handler"](event, None)
    assert "user ada" in json.dumps(reply)


def test_a_python_that_lambda_does_not_support_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for version in ("3.9", "three"):
        write(folder, {"pyproject.toml": f'[tool.unigate]\npython = "{version}"\n'})
        assert build() == 2
        assert version in capsys.readouterr().err


def test_a_dry_run_installs_nothing(folder: Path) -> None:
    write(folder, {"requirements.txt": "nowhere-to-be-found\n"})
    before = tree(folder)
    assert build("--dry-run") == 0
    assert tree(folder) == before


def test_the_python_version_is_the_projects_or_the_interpreters(folder: Path) -> None:
    write(folder, {"pyproject.toml": ""})
    assert build("--output", "out") == 0
    version = f"python3.{sys.version_info.minor}"
    assert f'Runtime: "{version}"\n' in (folder / "out/template.yaml").read_text()
    write(folder, {".python-version": "3.13.2\n"})
    assert build("--output", "out") == 0
    assert 'Runtime: "python3.13"\n' in (folder / "out/template.yaml").read_text()
