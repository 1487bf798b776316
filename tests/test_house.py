"""The rules that hold the house up: which way imports point, what a template may hold, what documents say."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APP = ROOT / "reviewqueue"
SOURCES = sorted(APP.rglob("*.py"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))

# What each layer may import of ours. Everything else of ours is forbidden to it.
MAY = {
    "rules": {"rules"},
    "upstream": {"upstream"},
    "sandbox": {"sandbox"},
    "models": {"models", "rules"},
    "forms": {"forms", "rules", "services", "models"},
    "services": {"services", "models", "rules", "upstream", "gateway", "wake", "clock", "vault", "sandbox"},
    "views": {"views", "services", "models", "rules", "forms", "clock", "gateway", "upstream"},
    "management": {
        "services",
        "models",
        "rules",
        "clock",
        "gateway",
        "management",
        "sandbox",
        "vault",
        "ending",
    },
    "templatetags": {"services", "rules", "clock", "models"},
}
WITHOUT_DJANGO = ("rules", "upstream", "sandbox")


def imports_of(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
            if node.module in ("reviewqueue", "reviewqueue.services", "reviewqueue.upstream"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("layer", sorted(MAY))
def test_imports_point_one_way(layer):
    wrong = []
    for path in sorted((APP / layer).rglob("*.py")):
        for name in imports_of(path):
            parts = name.split(".")
            if parts[0] == "reviewqueue" and len(parts) > 1 and parts[1] not in MAY[layer]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("layer", WITHOUT_DJANGO)
def test_some_layers_know_no_django(layer):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((APP / layer).rglob("*.py"))
        for name in imports_of(path)
        if name.split(".")[0] in ("django", "dashboard")
    ]
    assert not wrong, "\n".join(wrong)


def test_httpx_is_imported_in_one_file():
    users = [path.relative_to(APP) for path in SOURCES if {"httpx", "httpcore"} & set(imports_of(path))]
    assert [str(path) for path in users] == ["upstream/transport.py"]


def test_no_page_talks_to_the_service():
    """A view may name the error tree; it never opens a wire. Only the sandbox's own pages are handed on."""
    for path in sorted((APP / "views").glob("*.py")):
        names = set(imports_of(path))
        assert not names & {"reviewqueue.services.wire", "reviewqueue.upstream.reelmirror.client"}, path
        if "reviewqueue.gateway" in names:
            assert path.name == "sandbox.py", path


def test_services_never_name_tasks_but_by_path():
    for path in SOURCES:
        assert "reviewqueue.tasks" not in set(imports_of(path)), path


def test_there_is_no_utils_file():
    assert not [path for path in SOURCES if path.stem in ("utils", "helpers", "misc", "common")]


# ---- templates and scripts -----------------------------------------------------------------------


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_holds_no_inline_style_handler_or_script(path):
    text = re.sub(r"{%\s*comment.*?endcomment\s*%}", "", path.read_text(), flags=re.S)
    assert not re.search(r"\sstyle=", text)
    assert not re.search(r"\son[a-z]+=\"", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert "<style" not in text
    assert not re.search(r"\|\s*safe\b", text), "upstream text is escaped, always"
    assert "autoescape off" not in text


HTMX = {
    "hx-get",
    "hx-post",
    "hx-target",
    "hx-swap",
    "hx-swap-oob",
    "hx-trigger",
    "hx-push-url",
    "hx-select",
    "hx-include",
    "hx-vals",
    "hx-disable",
    "hx-preserve",
    "hx-encoding",
    "hx-sync",
    "hx-headers",
}


def test_every_htmx_attribute_exists():
    for path in TEMPLATES:
        found = set(re.findall(r"\s(hx-[a-z-]+)", path.read_text()))
        assert found <= HTMX, f"{path}: {found - HTMX}"


def test_nothing_is_marked_safe_but_our_own_rows():
    allowed = {"views/rows.py"}
    for path in SOURCES:
        if "sandbox" in path.parts:
            continue
        if re.search(r"mark_safe|SafeString\(", path.read_text()):
            assert str(path.relative_to(APP)) in allowed, path


def test_scripts_build_no_html_and_know_no_address():
    for path in sorted((ROOT / "static/js").glob("*.js")):
        text = path.read_text()
        assert "innerHTML" not in re.sub(r'swap: "innerHTML"', "", text), path
        assert not re.search(r"insertAdjacentHTML|document\.write|eval\(|new Function", text), path
        assert not re.search(r"[\"'`]/(review|items|holds|live|settings|sources)/[\"'`]?\s*[,)]", text), path


# ---- documents ---------------------------------------------------------------------------------------


def test_the_locks_name_no_host_and_hold_every_dependency():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime, dev = ((ROOT / name).read_text() for name in ("requirements.lock", "requirements-dev.lock"))
    assert "://" not in runtime + dev

    def name_of(requirement: str) -> str:
        return re.match(r"[A-Za-z0-9._-]+", requirement).group().lower()

    for requirement in project["project"]["dependencies"]:
        assert re.search(rf"^{name_of(requirement)}==", runtime, re.M), requirement
    for requirement in [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]:
        assert re.search(rf"^{name_of(requirement)}==", dev, re.M), requirement


def test_the_test_lock_pins_what_the_runtime_lock_pins():
    def pins(name):
        return set(re.findall(r"^([a-z0-9._-]+==[^ \\]+)", (ROOT / name).read_text(), re.M))

    assert pins("requirements.lock") <= pins("requirements-dev.lock")


def test_every_class_of_the_stylesheet_and_every_icon_is_used():
    sources = [*SOURCES, *TEMPLATES, *(ROOT / "static/js").glob("*.js")]
    words = set(re.findall(r"[\w-]+", " ".join(path.read_text() for path in sources)))
    css = re.sub(r"/\*.*?\*/", "", (ROOT / "static/css/app.css").read_text(), flags=re.S)
    icons = re.findall(r'id="i-([\w-]+)"', (ROOT / "static/sprite.svg").read_text())
    assert {*re.findall(r"\.([a-z][\w-]*)", css, re.I), *icons} <= words


def test_every_setting_stands_in_the_readme():
    named = set(re.findall(r"\"(LOUPE_[A-Z_]+)\"", (ROOT / "dashboard/settings.py").read_text()))
    named |= {"LOUPE_NO_VENV"}
    table = (ROOT / "README.md").read_text()
    missing = {name for name in named if f"`{name}`" not in table}
    assert not missing


def test_every_command_and_its_options_stand_in_the_readme():
    table = (ROOT / "README.md").read_text()
    for path in (APP / "management/commands").glob("[!_]*.py"):
        line = re.search(rf"^\|.*`{path.stem}\b.*$", table, re.M)
        assert line, path.stem
        for option in re.findall(r"add_argument\(\s*\"(--[a-z-]+)\"", path.read_text()):
            assert option in line.group(), f"{path.stem} {option}"


def test_every_decision_record_is_numbered_and_has_its_three_parts():
    records = sorted((ROOT / "dashboard/docs/adr").glob("*.md"))
    assert records
    for place, path in enumerate(records, 1):
        assert path.name.startswith(f"{place:04d}-"), path
        text = path.read_text()
        for part in ("## Context", "## Choice", "## Cost"):
            assert part in text, f"{path}: {part}"


def test_the_glossary_knows_the_models():
    from django.apps import apps

    glossary = (ROOT / "dashboard/docs/glossary.md").read_text().lower()
    known_by_context = {"scope", "tally", "look", "watch", "attempt"}
    for model in apps.get_app_config("reviewqueue").get_models():
        words = re.sub(r"(?<!^)(?=[A-Z])", " ", model.__name__).lower()
        assert words in glossary or model.__name__.lower() in known_by_context, words


def test_no_file_names_this_machine():
    listed = ("git", "-c", "safe.directory=*", "ls-files", "-z")
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    here = re.compile(rf"{re.escape(str(ROOT))}/|(?<![\w.~$-])/(home|mnt|opt|root|tmp|Users|work)/".encode())
    for path in map(ROOT.joinpath, filter(None, names.split("\0"))):
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" not in content:  # not a picture, a film or the font
            assert not here.search(content), path
