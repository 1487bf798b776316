"""Many processes and threads on one store: nothing is lost, doubled, or locked out."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
from pathlib import Path

import httpx

from reviewqueue.sandbox.app import Sandbox
from reviewqueue.sandbox.seed import fill

EACH = 20


def client_of(sandbox: Sandbox, key: str) -> httpx.Client:
    return httpx.Client(
        transport=httpx.WSGITransport(app=sandbox),
        base_url="http://sandbox.test/api/v1",
        headers={"Authorization": f"Bearer {key}"},
    )


def generate_many(folder: Path, key: str, body: dict) -> None:
    """What each process does, with a sandbox of its own over the same folder."""
    client = client_of(Sandbox(folder, time_scale=100_000), key)
    for _ in range(EACH):
        assert client.post("/generate", json=body).status_code == 202
        assert client.get(f"/personas/{body['persona_id']}/generated-posts").status_code == 200


def test_two_processes_spend_from_one_balance(tmp_path):
    sandbox = Sandbox(tmp_path, time_scale=100_000)
    seeded = fill(sandbox, render=False)
    persona = seeded.personas["Ines Calder"]
    client = client_of(sandbox, seeded.api_key)
    posts = client.get(f"/personas/{persona}/source-posts", params={"limit": 100}).json()["data"]
    single = next(post for post in posts if [m["media_type"] for m in post["media_items"]] == ["image"])
    sandbox.set_balance(32 * EACH * 2)

    body = {"source_post_id": single["id"], "persona_id": persona}
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=generate_many, args=(tmp_path, seeded.api_key, body)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]

    assert client.get("/billing/balance").json()["data"]["balance_cents"] == 0
    assert len(sandbox.effects("generate")) == EACH * 2
    assert len({effect["made"] for effect in sandbox.effects("generate")}) == EACH * 2
    assert client.post("/generate", json=body).status_code == 402


def test_of_many_threads_one_decides(tmp_path):
    sandbox = Sandbox(tmp_path, time_scale=100_000)
    seeded = fill(sandbox, render=False)
    persona = seeded.personas["Kilo North"]
    client = client_of(sandbox, seeded.api_key)
    rows = client.get(f"/personas/{persona}/generated-posts").json()["data"]
    post = next(p for p in rows if (p["status"], p["review_status"]) == ("completed", "pending_review"))
    statuses = []

    def reject() -> None:
        statuses.append(
            client_of(sandbox, seeded.api_key).post(f"/generated-posts/{post['id']}/reject").status_code
        )

    threads = [threading.Thread(target=reject) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [409] * 7
    assert len(sandbox.effects("reject")) == 1


def open_and_fill(folder: Path, answers) -> None:
    answers.put(fill(Sandbox(folder), render=False).api_key is not None)


def test_processes_starting_together_fill_the_world_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    workers = [context.Process(target=open_and_fill, args=(tmp_path, answers)) for _ in range(3)]
    for worker in workers:
        worker.start()
    got = [answers.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(10)
    assert sorted(got) == [False, False, True]


def test_a_request_that_fails_leaves_nothing_behind(sandbox, api, desk, ines):
    """A video's charge alone would fit; the whole carousel does not, so nothing of it is made."""
    sandbox.set_balance(100)
    body = {"source_post_id": desk.source_post(ines, items=5)["id"], "persona_id": ines}
    api.post("/v1/generate", body, status=402)
    assert desk.balance() == 100
    assert sandbox.effects() == []


def test_what_one_process_filled_another_opens(tmp_path, clock):
    key = fill(Sandbox(tmp_path, clock=clock), render=False).api_key
    assert client_of(Sandbox(tmp_path, clock=clock), key).get("/profile").status_code == 200


def test_the_sandbox_stands_alone():
    """Neither Django nor the client it stands in for is imported by it."""
    code = (
        "import sys, reviewqueue.sandbox.app, reviewqueue.sandbox.seed;"
        "names = [n for n in sys.modules if n.startswith('reviewqueue.') and '.sandbox' not in n];"
        "assert not names and 'django' not in sys.modules and 'httpx' not in sys.modules, names"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0
