"""A model in several files: put together from what fga.mod names, and reaching nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcp_gateway.authorization.engine.model import load_model, validate_policies
from mcp_gateway.authorization.language.dsl import MAX_BYTES
from mcp_gateway.authorization.language.files import read_model
from mcp_gateway.authorization.language.printing import to_dsl
from mcp_gateway.errors import OperatorError
from tests.unit.authorization.world import MODEL

POLICIES = Path(__file__).parents[4] / "policies"
CORE = "module core\n\ntype user\n\ntype group\n  relations\n    define member: [user]\n"


def a_folder(folder: Path, contents: list[str], files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "fga.mod").write_text(f'schema: "1.2"\ncontents:\n{"".join(f"  - {one}{chr(10)}" for one in contents)}')
    return folder


def said(path: Path) -> list[str]:
    """The problems, with paths below the folder of the test."""
    return [str(one).removeprefix(f"{path}/") for one in validate_policies(path, gateway=False)]


def test_the_shipped_modules_are_one_model() -> None:
    assert load_model(POLICIES).model_id == load_model(POLICIES / "fga.mod").model_id == MODEL.model_id
    assert validate_policies(POLICIES) == []
    sources = {one.name: one.source.file for one in MODEL.document.types}
    assert {sources["tool"], sources["ticket"]} == {"gateway.fga", "tickets.fga"}


def test_a_model_keeps_its_id_when_it_is_put_into_one_file(tmp_path: Path) -> None:
    (tmp_path / "model.fga").write_text(to_dsl(MODEL.document))
    assert load_model(tmp_path).model_id == MODEL.model_id


def test_a_module_adds_to_a_type_of_another(tmp_path: Path) -> None:
    more = "module more\n\nextend type group\n  relations\n    define owner: [user]\n"
    a_folder(tmp_path, ["core.fga", "deep/more.fga"], {"core.fga": CORE, "deep/more.fga": more})
    document = read_model(tmp_path).document
    assert document is not None
    (group,) = (one for one in document.types if one.name == "group")
    assert [(one.name, one.source.module) for one in group.relations] == [("member", ""), ("owner", "more")]


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        ("module more\ntype user\n", "more.fga:2:6: type `user` is already defined in `core.fga`"),
        ("module more\nextend type nobody\n", "more.fga:2:13: `extend type nobody`: no module defines that type"),
        (
            "module more\nextend type group\n  relations\n    define member: [user]\n",
            "more.fga:4:12: relation `member` of `group` is already defined",
        ),
        (
            "model\n  schema 1.1\ntype x\n",
            "more.fga:1:1: this is no module; it begins with `module NAME` when fga.mod names it",
        ),
        ("module more\ntype x\n  define a: [user]\n", "more.fga:3:3: expected a new line or the end, found `define`"),
        (
            "module more\ntype x\n  relations\n    define a: [user with c]\ncondition c(x: int) {\n  y\n}\n",
            "more.fga:5:11: `c` is not a CEL expression",
        ),
        ("module more\ntype x\n  relations\n    define a: [nobody]\n", "more.fga:4:16: `nobody` is not a type"),
        (
            "module more\ntype x\ncondition c(x: int) {\n  x > 1\n}\n",
            "more.fga:3:11: no relation uses the condition `c`",
        ),
    ],
)
def test_a_problem_of_a_module_names_its_file_line_and_column(tmp_path: Path, second: str, problem: str) -> None:
    a_folder(tmp_path, ["core.fga", "more.fga"], {"core.fga": CORE, "more.fga": second})
    (found,) = said(tmp_path)
    assert found.startswith(problem)


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    files = {"core.fga": CORE + "type self\n", "a.fga": "module a\ntype user\n", "b.fga": "module b\ntype\n"}
    a_folder(tmp_path, ["gone.fga", *files, "../out.fga"], files)
    assert {one.split(": ")[0] for one in said(tmp_path)} == {
        "fga.mod:3:5",
        "fga.mod:7:5",
        "core.fga:8:6",
        "a.fga:2:6",
        "b.fga:2:5",
    }


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd.fga",
        "../out.fga",
        "deep/../core.fga",
        "./core.fga",
        "deep//core.fga",
        "deep\\core.fga",
        "C:core.fga",
        '"%2e%2e/out.fga"',
        '"a\\0.fga"',
        "core.txt",
        "fga.mod",
        "",
    ],
)
def test_a_path_that_is_not_plainly_below_the_folder_is_refused_with_its_line(tmp_path: Path, path: str) -> None:
    a_folder(tmp_path, ["core.fga", path], {"core.fga": CORE})
    (tmp_path.parent / "out.fga").write_text(CORE)
    problems = said(tmp_path)
    assert problems
    assert problems[0].startswith("fga.mod:4:")
    with pytest.raises(OperatorError):
        load_model(tmp_path)


def test_no_module_is_reached_through_a_symbolic_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "more.fga").write_text("module more\ntype more\n")
    inside = tmp_path / "inside"
    inside.mkdir()
    a_folder(inside, ["core.fga", "more.fga", "folder/more.fga"], {"core.fga": CORE})
    (inside / "more.fga").symlink_to(outside / "more.fga")
    (inside / "folder").symlink_to(outside)
    assert said(inside) == [
        "fga.mod:4:5: `more.fga` goes through a symbolic link",
        "fga.mod:5:5: `folder/more.fga` goes through a symbolic link",
    ]


def test_a_module_that_cannot_be_read_is_refused_where_it_is_named(tmp_path: Path) -> None:
    a_folder(tmp_path, ["core.fga", "gone.fga", "folder.fga", "bytes.fga", "large.fga"], {"core.fga": CORE})
    (tmp_path / "folder.fga").mkdir()
    (tmp_path / "bytes.fga").write_bytes(b"module \xff")
    (tmp_path / "large.fga").write_text("#" * (MAX_BYTES + 1))
    assert said(tmp_path) == [
        "fga.mod:4:5: `gone.fga` cannot be read: FileNotFoundError",
        "fga.mod:5:5: `folder.fga` is not a file",
        "fga.mod:6:5: `bytes.fga` cannot be read: UnicodeDecodeError",
        f"fga.mod:7:5: `large.fga` is larger than {MAX_BYTES} bytes",
    ]


def test_all_modules_together_are_no_larger_than_a_model(tmp_path: Path) -> None:
    filling = "# " + "x" * (MAX_BYTES // 2) + "\n"
    modules = {f"{name}.fga": f"{filling}module {name}\ntype {name}\n" for name in "abc"}
    a_folder(tmp_path, list(modules), modules)
    assert said(tmp_path) == [
        f"fga.mod:4:5: with `b.fga` the model is larger than {MAX_BYTES} bytes",
        f"fga.mod:5:5: with `c.fga` the model is larger than {MAX_BYTES} bytes",
    ]


def test_a_module_alone_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "core.fga").write_text(CORE)
    assert [str(one) for one in validate_policies(tmp_path / "core.fga")] == [
        f"{tmp_path}/core.fga:1:1: a module is no model of its own; name it in the contents of a fga.mod"
    ]


def test_two_models_in_one_folder_are_refused(tmp_path: Path) -> None:
    a_folder(tmp_path, ["core.fga"], {"core.fga": CORE, "model.fga": "model\n  schema 1.1\ntype user\n"})
    assert [one.sentence for one in validate_policies(tmp_path)] == [
        "fga.mod and model.fga both stand here, and only one can be the model; remove the other"
    ]


@pytest.mark.parametrize(
    ("old", "new", "file", "problem"),
    [
        ("and available", "or available", "gateway.fga", "different operators need parentheses around each group"),
        ("agent_can_call and available", "available", "gateway.fga", "`tool#can_call` must be an intersection"),
        ("define viewer: [user, group#member] or editor", "define viewer: [usr] or editor", "tickets.fga", "`usr`"),
    ],
)
def test_a_broken_rule_is_named_in_its_module(tmp_path: Path, old: str, new: str, file: str, problem: str) -> None:
    files = {one.name: one.read_text() for one in POLICIES.glob("*.fga")}
    assert old in files[file]
    a_folder(tmp_path, sorted(files), {**files, file: files[file].replace(old, new)})
    found = said_of_gateway(tmp_path)
    assert found[0].startswith(f"{file}:")
    assert problem in found[0]


def said_of_gateway(path: Path) -> list[str]:
    return [str(one).removeprefix(f"{path}/") for one in validate_policies(path)]


def test_a_list_of_modules_says_only_what_it_must(tmp_path: Path) -> None:
    (tmp_path / "fga.mod").write_text(json.dumps({"schema": "1.2", "contents": ["a.fga", "a.fga"], "more": 1}))
    assert [one.sentence for one in read_model(tmp_path).problems][:2] == [
        "only `schema` and `contents` stand here",
        "`a.fga` stands twice",
    ]
