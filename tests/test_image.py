"""The Dockerfile and compose.yaml, held against the program. tests/image/build.sh builds and runs them."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

ROOT = Path(settings.BASE_DIR)
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OURS = ("migrate", "web", "worker", "poller")
RUNNING = ("web", "worker", "poller")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (INSTRUCTION, rest), continued lines joined."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", DOCKERFILE))
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line]


def stages() -> list[list[tuple[str, str]]]:
    parts = []
    for name, rest in instructions():
        if name == "FROM":
            parts.append([])
        if parts:
            parts[-1].append((name, rest))
    return parts


def image_environment() -> dict[str, str]:
    words = [shlex.split(rest) for name, rest in stages()[-1] if name == "ENV"]
    return dict(word.split("=", 1) for line in words for word in line)


def setting_names() -> set[str]:
    return set(re.findall(r"LOUPE_[A-Z_]+", (ROOT / "dashboard/settings.py").read_text()))


def seconds(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([sm])", text).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


# ---- The image -------------------------------------------------------------------------------


def test_hadolint_finds_nothing():
    hadolint = Path(sys.executable).with_name("hadolint")
    found = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_lock_is_installed_before_the_source_is_copied():
    names = [rest for name, rest in stages()[0] if name in ("COPY", "RUN")]
    lock = names.index("requirements.lock ./")
    install = next(place for place, rest in enumerate(names) if "pip install" in rest)
    assert lock < install < names.index(". .")
    assert {"--require-hashes", "--no-deps", "--only-binary=:all:"} <= set(names[install].split())


def test_the_image_runs_as_a_fixed_user_who_is_not_root():
    user = next(rest for name, rest in stages()[-1] if name == "USER")
    uid, gid = map(int, user.split(":"))
    assert uid > 999
    assert gid > 999
    assert f"--uid {uid}" in DOCKERFILE


def test_the_image_names_no_index_no_address_and_no_secret():
    assert not re.search(r"index-url|find-links|trusted-host|https?://(?!127\.0\.0\.1)", DOCKERFILE)
    given = re.findall(r"LOUPE_(?:SECRET|ENCRYPTION)\w*=(\S+)", DOCKERFILE)
    assert set(given) == {"unused"}
    assert not {"LOUPE_SECRET_KEY", "LOUPE_ENCRYPTION_KEYS"} & set(image_environment())


def test_static_files_lie_where_the_program_looks_for_them():
    collected = re.search(r"LOUPE_STATIC_ROOT=(\S+)(?=.*collectstatic)", str(stages()[0])).group(1)
    assert image_environment()["LOUPE_STATIC_ROOT"] == collected
    assert collected.startswith("/app/")


def test_port_bind_and_health_check_agree():
    image = dict(stages()[-1])
    port = image["EXPOSE"]
    assert image_environment()["LOUPE_BIND"] == f"0.0.0.0:{port}"
    assert f"{port}," in image["HEALTHCHECK"]
    assert "'/healthz'" in image["HEALTHCHECK"]
    assert all(
        service["ports"][0].endswith(f":{port}") for service in SERVICES.values() if "ports" in service
    )


def test_what_is_written_lies_in_the_volume():
    image = dict(stages()[-1])
    assert image["VOLUME"] == image_environment()["LOUPE_DATA_DIR"] == "/data"


def test_only_what_is_named_reaches_the_image():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    let_in = {line[1:] for line in lines if line.startswith("!")}
    assert let_in == {
        "LICENSE",
        "manage.py",
        "requirements.lock",
        "dashboard",
        "reviewqueue",
        "static",
        "templates",
    }
    assert all((ROOT / name).exists() for name in let_in)


# ---- compose.yaml ----------------------------------------------------------------------------


def test_every_variable_is_one_the_program_reads():
    known = setting_names() | {"LOUPE_NO_VENV"}
    text = DOCKERFILE + (ROOT / "compose.yaml").read_text()
    assert {name.removesuffix("_FILE") for name in re.findall(r"LOUPE_[A-Z_]+", text)} <= known


def test_every_command_exists():
    image = dict(stages()[-1])
    assert json.loads(image["ENTRYPOINT"]) == ["python", "manage.py"]
    commands = [json.loads(image["CMD"])] + [SERVICES[name]["command"] for name in OURS]
    for name in OURS:
        check = SERVICES[name]["healthcheck"].get("test", [])
        if "manage.py" in check:
            commands.append(check[check.index("manage.py") + 1 :])
    assert {command[0] for command in commands} <= set(get_commands())


def test_one_image_and_one_data_volume_for_all_processes():
    assert {SERVICES[name]["image"] for name in OURS} == {"loupe"}
    assert all(SERVICES[name]["volumes"] == ["data:/data"] for name in OURS)
    assert {"data", "database"} == set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", RUNNING)
def test_processes_wait_for_the_migrations(name):
    assert SERVICES[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_migrations_wait_for_the_stores_and_run_once():
    migrate = SERVICES["migrate"]
    assert migrate["restart"] == "no"
    assert migrate["depends_on"] == {name: {"condition": "service_healthy"} for name in ("postgres", "redis")}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_watched_and_started_again(name):
    service = SERVICES[name]
    if name == "migrate":
        assert service["healthcheck"] == {"disable": True}
        return
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"


def test_web_is_healthy_when_loupe_can_work():
    assert "'/readyz'" in SERVICES["web"]["healthcheck"]["test"][-1]


def test_a_slow_first_start_and_a_recovery_of_the_database_are_waited_for():
    """Without it a server that takes longer than its retries is unhealthy, and `up` gives up on the rest."""
    assert seconds(SERVICES["postgres"]["healthcheck"]["start_period"]) >= 300


def test_nothing_is_cut_off_when_it_stops():
    assert seconds(SERVICES["worker"]["stop_grace_period"]) > settings.Q_CLUSTER["timeout"]
    assert seconds(SERVICES["poller"]["stop_grace_period"]) > settings.Q_CLUSTER["timeout"]
    assert seconds(SERVICES["web"]["stop_grace_period"]) > 8  # gunicorn's --graceful-timeout


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_services_may_do_no_more_than_they_need(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    if name != "postgres":  # its start script changes owners, then its user
        assert service["cap_drop"] == ["ALL"]


def test_the_stores_are_out_of_reach():
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert SERVICES[name]["networks"] == ["inside"]
        assert "ports" not in SERVICES[name]
    assert [name for name in SERVICES if "ports" in SERVICES[name]] == ["web"]
    assert SERVICES["web"]["ports"] == ["${PUBLISH:-127.0.0.1:8000}:8000"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_secrets_come_from_files(name):
    service = SERVICES[name]
    given = service.get("secrets", [])
    for variable, value in service.get("environment", {}).items():
        assert not re.search(r"://[^/]*:[^/]*@", value)
        if variable.endswith("_FILE"):
            assert value.removeprefix("/run/secrets/") in given
        else:
            assert not re.search(r"SECRET|PASSWORD|KEY|DATABASE_URL", variable)
    assert all(COMPOSE["secrets"][secret] == {"file": f"./secrets/{secret}"} for secret in given)


def test_secrets_are_never_committed():
    assert {"/secrets/", "/.env"} <= set((ROOT / ".gitignore").read_text().split())
