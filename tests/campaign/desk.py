"""A person at the desk: opens pages and presses what is on them, sometimes twice."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

PATIENCE_SECONDS = 90  # for which a press is repeated while the web process is away


class Page(HTMLParser):
    """The forms of a page with their hidden fields, and what can be pressed: (address, form, name, value)."""

    def __init__(self, text: str, address: str):
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self.buttons: list[tuple[str, str, str, str]] = []
        self.address, self.inside, self.actions = address, "", {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = {key: value or "" for key, value in attrs}
        if tag == "form":
            self.inside = given.get("id") or f"form {len(self.forms)}"
            self.forms.setdefault(self.inside, {})
            self.actions[self.inside] = given.get("action") or self.address
        form = given.get("form", self.inside)
        if tag == "input" and given.get("type") == "hidden" and form:
            self.forms.setdefault(form, {})[given["name"]] = given.get("value", "")
        if tag == "button" and form and given.get("type", "submit") == "submit":
            to = given.get("formaction") or self.actions.get(form, "")
            self.buttons.append((to, form, given.get("name", ""), given.get("value", "")))

    def handle_endtag(self, tag):
        if tag == "form":
            self.inside = ""

    def press(self, ending: str, **wanted: str) -> tuple[str, dict] | None:
        """(address, fields) of the first button that leads to an address with this end, if there is one."""
        for to, form, name, value in self.buttons:
            if to.partition("?")[0].endswith(ending) and wanted.get(name, value) == value and form != "look":
                return to, self.forms[form] | ({name: value} if name else {})
        return None


@dataclass
class Press:
    """One form, filled in: how often it is sent at once, whether it is sent again later and then taken back.

    `wanted`: what the button says; `typed`: what a person writes into the fields.
    """

    kind: str
    page: str
    ending: str
    wanted: dict = field(default_factory=dict)
    at_once: int = 1
    again: bool = False
    typed: dict = field(default_factory=dict)
    undo: bool = False


class Visitor:
    """Signed in by a printed link. `taken` counts the forms that were answered as taken, by kind.

    `undone`: how many decisions were certainly taken back, of so many that were `to_undo`.
    """

    def __init__(self, address: str, link: str):
        self.client = httpx.Client(base_url=address, timeout=30, follow_redirects=False)
        self.taken: Counter[str] = Counter()
        self.refused: list[str] = []
        self.undone = self.to_undo = 0
        self.leaving = threading.Event()
        self.sign_in(link)

    def sign_in(self, link: str) -> None:
        page = Page(self.client.get(link).text, link)
        to, fields = page.press("/")
        answer = self.client.post(to, data=fields, headers={"Referer": link})
        assert answer.status_code == 302, f"the link did not sign in: {answer.status_code}"

    def open(self, path: str) -> Page:
        answer = self.patiently(lambda: self.client.get(path))
        return Page(answer.text, path)

    def carry_out(self, press: Press) -> None:
        found = self.open(press.page).press(press.ending, **press.wanted)
        if found is None:
            self.refused.append(f"{press.kind}: no button on {press.page}")
            return
        to, fields = found[0], found[1] | press.typed
        with ThreadPoolExecutor(press.at_once) as hands:
            sent = [hands.submit(self.send, press.page, to, fields) for _ in range(press.at_once)]
            answers = [one.result() for one in sent]
        if press.again:
            answers.append(self.send(press.page, to, fields))
        # One token is one operation, whatever the other answers were.
        if any(answer.status_code < 400 for answer in answers):
            self.taken[press.kind] += 1
        else:
            said = ", ".join(str(answer.status_code) for answer in answers)
            self.refused.append(f"{press.kind}: {said} from {to}")
        if press.undo:
            self.take_back(press.page)

    def take_back(self, page: str) -> None:
        """Undo whatever is the newest in the tray, be it this person's or just then another's."""
        found = self.open(page).press("/undo/")
        if found is not None:
            self.to_undo += 1
            self.undone += self.send(page, *found).status_code < 400

    def release(self, operation: str) -> None:
        """Let an operation go on that was stopped, if it still waits for that."""
        page = f"/operations/{operation}/"
        found = self.open(page).press("/release/")
        if found is not None:
            self.send(page, *found)

    def send(self, page: str, to: str, fields: dict) -> httpx.Response:
        headers = {"Referer": str(self.client.base_url.join(page))}
        answer = self.patiently(lambda: self.client.post(to, data=fields, headers=headers))
        assert answer.status_code != 500, f"{to} answered 500: {answer.text[:500]}"
        return answer

    def patiently(self, ask) -> httpx.Response:
        """Ask until there is an answer; a web process that was killed comes back."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = ask()
                if answer.status_code not in (502, 503):
                    return answer
            except httpx.TransportError:
                if time.monotonic() > deadline or self.leaving.is_set():
                    raise
            if time.monotonic() > deadline:
                return answer
            time.sleep(0.3)
