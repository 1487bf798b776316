// What every page does. It builds no HTML and knows no address: both come with the page.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const root = document.documentElement;
root.classList.add("js");

// ---- one polite voice -----------------------------------------------------------------------
// What is said right after something else follows it, so that neither is lost.
let saidAt = 0, said = "", coming = "";
const after = (standing, text) => (!standing || standing.endsWith(text) ? standing || text : `${standing}. ${text}`);
const say = (text) => {
  const place = $("#announce"), standing = place.textContent;
  const isFresh = standing !== said || Date.now() - saidAt < 1000; // an answer's words count as fresh
  coming = after(coming || (isFresh ? standing : ""), text);
  saidAt = Date.now();
  place.textContent = "";
  requestAnimationFrame(() => {
    if (!coming) return;
    place.textContent = said = after(place.textContent, coming); // an answer may have brought its words meanwhile
    coming = "";
  });
};
document.addEventListener("loupe:say", (event) => say(event.detail));

// ---- the server's clock: its times are compared with this, whatever the browser's clock says ----
let ahead = 0; // milliseconds that the server's is ahead of the browser's
const serverTime = () => (Date.now() + ahead) / 1000;
function hear(second, from, to) { // the server's clock showed this second at some moment between the two of the browser's
  if (second) ahead = Math.min(Math.max(ahead, 1000 * second - to), 1000 * second + 1000 - from);
}
const [arrival] = performance.getEntriesByType("navigation"), loadAt = Date.now() - performance.now();
if (arrival?.transferSize) hear($("#desk-token")?.dataset.now, loadAt + arrival.requestStart, loadAt + arrival.responseStart); // else it is an old one
const sentAt = new WeakMap();
document.addEventListener("htmx:beforeSend", ({ detail: { xhr } }) => { sentAt.set(xhr, Date.now()); });
document.addEventListener("htmx:beforeOnLoad", ({ detail: { xhr } }) => hear(Date.parse(xhr.getResponseHeader("Date")) / 1000, sentAt.get(xhr), Date.now()));

// htmx tells of each part that an answer brought; what follows from all of them follows once, before it is painted.
let settles = false;
document.addEventListener("htmx:afterSettle", () => {
  if (settles) return;
  settles = true;
  queueMicrotask(() => { settles = false; document.dispatchEvent(new CustomEvent("loupe:settled")); });
});

// ---- the page's one form: every button submits it with its own address -----------------------
// A press is marked at once; the answer brings the tray, a new token and the changed parts.
function press(button) {
  if (button.dataset.busy) return;
  if (button.matches("#tray [data-key]")) return fromTray(button.dataset.key);
  const values = Object.fromEntries(new FormData(button.form, button));
  delete values.post;
  if (button.closest(".bulk")) values.post = takePicked();
  send(button, values);
}
function send(button, values) {
  button.dataset.busy = "1";
  const version = button.closest("[data-version]")?.dataset.version;
  button.dispatchEvent(new CustomEvent("loupe:pressed", { bubbles: true }));
  if (values.theme === "toggle") values.theme = root.dataset.theme; // only the browser knows what the device prefers
  const kept = { address: button.getAttribute("formaction"), values };
  inLine(() => drawn().then(() => { kept.begun = true; return request(button, values, version); }), kept);
}
// The mark is on the screen before the request takes its part of the processor, and the answer a larger one.
const drawn = () => new Promise((done) => { requestAnimationFrame(() => setTimeout(done)); setTimeout(done, 50); });
function request(button, values, version) {
  const source = button.isConnected ? button : $("#desk"); // htmx asks for nothing that has left the page
  button.dataset.busy = "1";
  return htmx.ajax("POST", button.getAttribute("formaction"), { source, target: document.body, swap: "none", values, headers: version ? { "X-Version": version } : {} })
    .finally(() => { delete button.dataset.busy; });
}
// One after the other, in the order of the presses: the newest hold is the last press, and undo takes that one.
let line = Promise.resolve();
const waiting = new Set();
function inLine(job, kept = {}) {
  waiting.add(kept);
  line = line.then(job).catch(() => {}).finally(() => waiting.delete(kept));
}
function fromTray(key) { // whatever the tray holds once what was pressed before has its answer
  inLine(() => {
    const button = $(`#tray [data-key="${key}"]`);
    if (!button) return say("Nothing is held");
    return request(button, Object.fromEntries(new FormData(button.form, button)));
  });
}
document.addEventListener("click", (event) => { // whoever leaves finds their decisions made, if that takes no longer than two seconds
  const back = event.target.closest("[data-back]");
  if (!back || !waiting.size || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const enough = new Promise((done) => setTimeout(() => done([...waiting].forEach((kept) => { kept.begun = false; })), 2000));
  Promise.race([line, enough]).then(() => location.assign(back.href)); // sent once more: with its token it is the same press
});
addEventListener("pagehide", () => {
  for (const { address, values, begun } of waiting) {
    if (!address || begun) continue;
    const body = new URLSearchParams();
    for (const [name, value] of Object.entries(values)) for (const one of [value].flat()) body.append(name, one);
    fetch(address, { method: "POST", body, keepalive: true });
  }
});
// htmx finds the places of an answer from where its button is: until it comes, a poll must not replace the button.
const awaits = (part) => part.matches("[data-busy]") || $("[data-busy]", part);
document.addEventListener("htmx:beforeOnLoad", (event) => { delete event.detail.elt.dataset.busy; });
// A poll that was replaced on its way was overtaken: what it brings is older than what stands there.
const overtaken = (event) => { if (!event.target.isConnected) event.detail.shouldSwap = false; };
document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
  if (elt.matches("[data-poll]")) elt.addEventListener("htmx:beforeSwap", overtaken);
});
// Whoever is on a control stays on it when its part is replaced.
let stood = null;
const likeness = (on) => {
  const name = ["id", "data-key", "formaction", "href"].find((one) => on.hasAttribute(one));
  return name && `[${name}="${CSS.escape(on.getAttribute(name))}"]`;
};
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const part = event.detail.target, on = document.activeElement;
  if (part.id === "tray") late = null;
  if (awaits(part) || part.matches("#for-you:has([open])")) event.detail.shouldSwap = false;
  else if (part.id === "tray" && isPressed) { event.detail.shouldSwap = false; late = event.detail.fragment.firstElementChild; }
  else if (part.id && part !== on && part.contains(on)) stood = { part: part.id, like: likeness(on) };
});
document.addEventListener("htmx:oobAfterSwap", () => {
  const part = stood && document.getElementById(stood.part);
  if (part && stood.like && document.activeElement === document.body) $(stood.like, part)?.focus();
  stood = null;
});
// Nor what the pointer is down on, or the press would be nobody's: the tray that came meanwhile waits until it is up.
let isPressed = false, late = null;
addEventListener("pointerdown", (event) => { isPressed = Boolean(event.target.closest?.("#tray")); }, true);
for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => {
  isPressed = false;
  if (late) setTimeout(() => { // after its click
    const tray = $("#tray"), on = document.activeElement, like = tray.contains(on) && likeness(on);
    if (late && !awaits(tray)) {
      tray.replaceWith(late);
      if (like) $(like, late)?.focus();
      tick();
    }
    late = null;
  });
}, true);

document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button || event.target.id !== "desk" || button.dataset.leaves !== undefined) return;
  event.preventDefault();
  if (button.dataset.reasons !== undefined) openReasons(button); // where a browser without script asks on a page
  else if (button.dataset.billMany !== undefined) billMany(button);
  else press(button);
});

// Questions (“what would it cost?”) are pages; with script they open in a dialog.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (event.target.id !== "look" || !button) return;
  event.preventDefault();
  if (button.dataset.reasons !== undefined) openReasons(button);
  else ask(addressed(button), button);
});
// What a browser without script would ask for: the address, and what is picked for it.
function addressed(button) {
  const address = button.getAttribute("formaction"), query = new URLSearchParams(new FormData(button.form, button)).toString();
  return query ? `${address}${address.includes("?") ? "&" : "?"}${query}` : address;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-ask]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  ask(link.getAttribute("href"), link);
});

let asker = null;
function ask(address, from, values) {
  asker = from;
  if (!$("#ask").open) $("#ask").replaceChildren(); // a refusal must not show the question before
  htmx.ajax(values ? "POST" : "GET", address, { source: from, target: "#ask", swap: "innerHTML", ...(values && { values }) }).then(() => {
    const dialog = $("#ask");
    if (!dialog.firstElementChild) return;
    if (!dialog.open) dialog.showModal(); // one question may lead to the next
    ($("[autofocus]", dialog) ?? $("[data-close]", dialog))?.focus();
  }).catch(() => {}); // no answer: a banner says so
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("#ask form")) return;
  event.preventDefault();
  const values = Object.fromEntries(new FormData(form, event.submitter));
  for (const name of new Set(new FormData(form).keys())) {
    const all = new FormData(form, event.submitter).getAll(name);
    if (all.length > 1) values[name] = all;
  }
  values.token = $("#desk-token").value;
  for (const field of $$("[aria-invalid]", form)) field.removeAttribute("aria-invalid"); // the answer says what still is
  for (const told of $$(WHY_OPEN)) told.remove();
  let refused = false;
  form.addEventListener("htmx:afterRequest", ({ detail }) => { refused = [403, 409].includes(detail.xhr.status); }, { once: true });
  const version = asker?.closest("[data-version]")?.dataset.version;
  htmx.ajax("POST", form.getAttribute("action"), { source: form, target: form.dataset.target ?? document.body, swap: form.dataset.swap ?? "none", values, headers: version ? { "X-Version": version } : {} })
    .then(() => {
      if (refused && form.dataset.target) stayOpen();
      if (!$("[aria-invalid=true]", form) && !$(WHY_OPEN)) $("#ask").close();
    }).catch(() => {}); // no answer: it says so, and stays open
});
const WHY_OPEN = "#ask > :is([data-outage], [data-refused], [data-lost])";
function stayOpen() { // what was typed is kept; the reason stands with it, as the page lies behind the question
  const told = $("#notices .notice[role=alert]")?.parentElement;
  if (!told) return;
  told.dataset.refused = "";
  $("#ask").prepend(told);
}

// ---- reasons: the short list under Reject ------------------------------------------------------
let rejecting = null;
const unsaid = new Map(); // what was typed, by the address that it is meant for, until that has it
function openReasons(button) {
  const dialog = $("#reasons");
  if (!dialog) return;
  rejecting = button;
  if (button.closest(".bulk")) button.dataset.title = `Reject ${$$(PICKED).length} selected`;
  $("#reasons-title").textContent = button.dataset.title ?? button.getAttribute("aria-label") ?? "Reject";
  const note = $("[data-reasons-note]");
  note.textContent = button.dataset.note ?? "";
  note.hidden = !button.dataset.note;
  $("#reason-words").value = unsaid.get(button.getAttribute("formaction")) ?? "";
  dialog.showModal();
  $("[data-plain]", dialog).focus(); // Enter decides without a reason
}
document.addEventListener("input", ({ target }) => {
  if (target.id === "reason-words") unsaid.set(rejecting.getAttribute("formaction"), target.value);
});
document.addEventListener("keydown", (event) => { // nor does it in the words choose the first reason, as a browser would
  if (event.key !== "Enter" || event.isComposing || event.target.id !== "reason-words") return;
  event.preventDefault();
  if (!event.repeat) $("[data-plain]").click();
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (isDone(event)) unsaid.delete(event.detail.requestConfig.path);
});
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-reasons-form]")) return;
  event.preventDefault();
  const form = event.target, button = rejecting;
  const values = Object.fromEntries(new FormData(form, event.submitter));
  values.token = $("#desk-token").value;
  const picked = $(".frame-pick input", button.closest(".frame") ?? form);
  values.fingerprint = button.name === "fingerprint" ? button.value : picked?.value.split(":")[1] ?? "";
  if (button.closest(".bulk")) Object.assign(values, { post: takePicked(), ask: "" }); // this was the question
  $("#reasons").close();
  form.reset();
  // A poll may have drawn the button anew meanwhile; what was seen is what the first one showed.
  const again = `[data-reasons][formaction="${CSS.escape(button.getAttribute("formaction"))}"]`;
  send(button.isConnected ? button : $(again) ?? button, values);
});

// ---- dialogs, menus, small things ---------------------------------------------------------------
document.addEventListener("click", (event) => {
  const target = event.target;
  const opener = target.closest("[data-dialog]");
  if (opener) { event.preventDefault(); openKeys(opener); }
  const closer = target.closest("[data-close]"), closed = closer?.closest("dialog");
  if (closed) { event.preventDefault(); closed.close(); }
  if (target.closest("[data-dismiss]")) dismiss(target.closest(".notice"));
  const why = target.closest("[data-why]");
  if (why && why.getAttribute("aria-disabled") === "true") say(why.dataset.why);
  if (target.matches("dialog")) target.close();
  for (const open of $$("details.drop[open]")) if (!open.contains(target)) open.open = false;
  if (target.closest("[data-bulk-clear]")) { unpick(); say("Selection cleared"); }
  if (target.matches("[data-keys-switch]")) setKeys(target);
});

document.addEventListener("close", (event) => { // back to what opened it, if the browser knows no better
  const opener = { reasons: rejecting, ask: asker, keys: $("[data-dialog=keys]") }[event.target.id];
  if (document.activeElement === document.body && opener?.isConnected) opener.focus({ preventScroll: true });
}, true);
const dismiss = (notice) => (notice.parentElement.matches("#notices, #ask") ? notice : notice.parentElement).remove();

function openKeys(opener) {
  const dialog = $("#keys");
  const show = () => { if (dialog.firstElementChild && !dialog.open) dialog.showModal(); };
  if (dialog.firstElementChild) return show();
  return htmx.ajax("GET", opener.getAttribute("href"), { source: dialog, target: dialog, swap: "innerHTML" }).then(show, () => {});
}

function setKeys(box) {
  root.dataset.keys = box.checked ? "on" : "off";
  const values = { keys: box.checked ? "1" : "0", csrfmiddlewaretoken: $("#desk [name=csrfmiddlewaretoken]").value };
  htmx.ajax("POST", box.dataset.keysSwitch, { source: box, target: document.body, swap: "none", values }).catch(() => {});
}
const keysOn = () => root.dataset.keys !== "off";

document.addEventListener("loupe:pressed", (event) => {
  if (!event.target.matches("[data-theme-toggle]")) return;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
document.addEventListener("click", (event) => { // before anybody is signed in there is nobody to remember it for
  if (event.target.closest("button[data-theme-toggle]:not([form])")) event.target.dispatchEvent(new CustomEvent("loupe:pressed", { bubbles: true }));
});

document.addEventListener("htmx:afterSettle", () => { // settings that were saved hold on this page too
  const saved = $("[data-worn]");
  if (!saved) return;
  const [theme, keys, blur, grey] = saved.dataset.worn.split(" ");
  Object.assign(root.dataset, { blur, grey });
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  root.dataset.keys = keys;
});

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-filters]");
  if (form && event.target.matches("select, [type=radio]")) {
    if (event.target.name === "view") return say(event.target.value === "list" ? "List" : "Contact sheet");
    form.requestSubmit();
  }
  if (event.target.closest(".frame-pick")) {
    const count = $$(".frame-pick :checked").length, place = $("[data-bulk-count]");
    if (place) place.textContent = `${count} selected`;
    if (!event.target.checked) $(".refusal", event.target.closest(".frame"))?.remove();
    showPickAll();
    document.dispatchEvent(new CustomEvent("loupe:picked"));
  }
});

// ---- polling: nothing while nobody is looking -----------------------------------------------------
document.addEventListener("htmx:beforeRequest", (event) => {
  const poller = event.target;
  if (!poller.matches?.("[data-poll]")) return;
  if (document.hidden || poller.closest("[hidden]:not([data-poll])") || tryAt && !isTrying) event.preventDefault();
});
const look = () => $$("[data-poll]").forEach((poller) => htmx.trigger(poller, "look"));
document.addEventListener("visibilitychange", () => { if (!document.hidden) (tryAt ? tryNow : look)(); });
document.addEventListener("loupe:look", look);

// ---- no answer: what stands on the page stays, and is asked for ever more rarely ------------------------
const PAUSES = [5, 10, 20, 30]; // seconds
let goodAt = serverTime(), tryAt = 0, tries = 0, isTrying = false; // tryAt: when it is tried again; 0 with a line
function filled(...facts) {
  const told = $("#no-answer").content.firstElementChild.cloneNode(true), isBanner = facts.includes("cut");
  for (const part of $$("[data-if]", told)) if (!facts.includes(part.dataset.if)) part.remove();
  $(isBanner ? ".icon:not(.spin)" : ".spin", told).remove();
  told.className = isBanner ? "banner is-live" : "notice is-wait";
  return told;
}
function cutOff(cause) {
  const told = filled("cut", cause), standing = $("[data-cut-off]"), good = $("[data-good]", told);
  good.textContent = new Date(1000 * goodAt).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: good.dataset.good });
  tryAt = Date.now() + 1000 * PAUSES[Math.min(tries++, PAUSES.length - 1)];
  if (standing) $("strong", standing).replaceWith($("strong", told)); // the button may have the focus
  else {
    told.dataset.cutOff = "";
    $("#banners").prepend(told);
    say(`${$("strong", told).textContent} Showing what was loaded at ${good.textContent}`);
  }
  countDown();
}
function countDown() {
  const left = Math.ceil((tryAt - Date.now()) / 1000), place = $("[data-again]");
  if (!tryAt || document.hidden) return;
  if (left <= 0) return tryNow();
  if (place) place.textContent = left;
}
function tryNow() {
  tryAt = Date.now() + 1000 * PAUSES.at(-1); // at the latest, whatever becomes of this one
  isTrying = true;
  look();
  isTrying = false;
  if ($("[data-poll]")) return;
  fetch(location.href, { method: "HEAD" }).then(({ status }) => (status < 500 ? answered() : cutOff("error")), () => cutOff("line"));
}
function answered() {
  goodAt = serverTime();
  if (!tryAt) return;
  tryAt = tries = 0;
  const told = $("[data-cut-off]"), had = told?.contains(document.activeElement);
  told?.remove();
  if (had) ($(".review-post:not([hidden]) .decide") ?? $("#main"))?.focus({ preventScroll: true });
  say("The connection is back");
}
document.addEventListener("click", (event) => { if (event.target.closest("[data-try]")) tryNow(); });
addEventListener("online", () => { if (tryAt) tryNow(); });

// A form that had no answer may have been done: the same form, sent again, is the same operation by its token.
const lost = new Map();
const likeForm = ({ path, formData }) => `${path}?${new URLSearchParams([...formData].filter(([name]) => !["token", "csrfmiddlewaretoken"].includes(name)))}`;
document.addEventListener("htmx:configRequest", ({ detail }) => {
  const token = detail.verb === "post" && lost.get(likeForm(detail));
  if (token) detail.formData.set("token", token);
});
function lose(cause, elt, config) {
  const form = likeForm(config), token = config.formData.get("token"), frame = elt.closest(".frame");
  const told = filled("lost", cause, token ? "once" : "more");
  if (token) lost.set(form, token);
  forget(form);
  told.dataset.lost = form;
  told.setAttribute("role", "alert");
  (elt.closest("#ask") ?? $("#notices")).prepend(told);
  if (frame?.isConnected) tellBeside(frame, told);
}
const forget = (form) => $$(`[data-lost="${CSS.escape(form)}"]`).forEach((told) => told.remove());
for (const [name, cause] of Object.entries({ sendError: "line", timeout: "late", responseError: "error" })) {
  document.addEventListener(`htmx:${name}`, ({ detail: { elt, requestConfig: config } }) => {
    const isLook = config.verb === "get" || config.path === $("#tray")?.dataset.linger;
    if (isLook || cause !== "error") cutOff(cause);
    if (!isLook) lose(cause, elt, config);
  });
}
document.addEventListener("htmx:afterRequest", ({ detail: { successful, requestConfig: config } }) => {
  if (!successful || config.verb !== "post") return;
  forget(likeForm(config));
  lost.delete(likeForm(config));
});

// What changed while somebody looked stays as it was seen until they ask for the new version.
const newer = new WeakMap();
document.addEventListener("click", (event) => {
  const old = event.target.closest("[data-fresh]")?.closest(".frame"), fresh = old && newer.get(old);
  if (!fresh) return;
  old.replaceWith(fresh);
  $(".frame-open", fresh)?.focus();
});
const meanwhile = new WeakMap(); // what came of a row whose own answer was awaited, should that never come
// Changed rows arrive in #changes and take the place of those on the page, the smallest at a time.
function takeChanges() {
  for (const fresh of $$("#changes > [id]")) {
    const old = $$(`[id="${fresh.id}"]`).find((node) => node !== fresh);
    if (old && awaits(old)) meanwhile.set(old, fresh);
    if (!old || old.dataset.v === fresh.dataset.v || awaits(old)) { fresh.remove(); continue; }
    if ($("[data-refusal]", old) && fresh.dataset.state !== "ready") { fresh.remove(); continue; } // it says who was first
    if ($("[data-refusal=stale]", old)) { newer.set(old, fresh); fresh.remove(); continue; }
    const focused = old.contains(document.activeElement), held = document.activeElement.id;
    const picked = $(".frame-pick :checked", old);
    old.replaceWith(fresh);
    if (picked && $(".frame-pick input", fresh)) $(".frame-pick input", fresh).checked = true;
    const refusal = $(".refusal:not([data-lost])", old); // what is known by now is no longer uncertain
    if (refusal) $(".frame-text", fresh)?.append(refusal);
    if (focused) ((held && $(`[id="${held}"]`, fresh)) || $(".frame-open", fresh) || fresh).focus();
  }
  takeRefusals();
}
document.addEventListener("htmx:oobAfterSwap", (event) => { if (event.target.id === "changes") takeChanges(); takePlaces(); });
document.addEventListener("htmx:afterSettle", takeChanges); // at once: what was refused must not be unpicked
document.addEventListener("loupe:settled", () => { takePlaces(); tick(); });

// A kept row knows nothing of others: where it stands in line comes beside it, with the page and with each poll.
function takePlaces() {
  const places = new Map($$("#line data").map((one) => [one.value, one.textContent]));
  for (const words of $$("[data-in-line]")) {
    const place = places.get(words.dataset.inLine);
    if (place && words.textContent !== place) words.textContent = place;
  }
}
takePlaces();

// ---- no balance: whatever costs something is off, also in rows that are kept rendered ---------------
const PRICED = ":is(button, a):has(.cost)";
function price() {
  const why = $("[data-broke] > span")?.textContent;
  for (const control of why ? $$(`${PRICED}:not([aria-disabled=true])`) : $$("[data-off]")) {
    control.toggleAttribute("data-off", Boolean(why));
    for (const [name, value] of Object.entries({ "aria-disabled": "true", "data-why": why, title: why })) {
      if (why) control.setAttribute(name, value); else control.removeAttribute(name);
    }
  }
}
document.addEventListener("click", (event) => {
  const off = event.target.closest("[data-off]");
  if (!off) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  say(off.dataset.why);
}, true);

// ---- time: the server owns it, the page goes on counting -------------------------------------------
const mmss = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
function ago(at, long) {
  const seconds = Math.max(0, Math.floor(serverTime() - at));
  const after = long ? " ago" : "";
  if (seconds < 60) return long ? `${seconds} s ago` : "now";
  if (seconds < 5400) return `${Math.floor(seconds / 60)} min${after}`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h${after}`;
  return null; // the day stands there already
}
function tick() {
  const now = serverTime();
  for (const clock of $$("[data-clock]")) {
    const [, high, limit] = clock.dataset.span.split(" ").map(Number);
    const elapsed = Math.max(0, now - clock.dataset.since);
    $("b", clock).textContent = mmss(elapsed);
    $(".needle", clock)?.setAttribute("x", Math.min(99, (100 * elapsed) / limit).toFixed(1));
    const slow = elapsed > high;
    clock.classList.toggle("is-slow", slow);
    const phases = $$("[data-from]", clock), reached = phases.findLast((words) => elapsed > words.dataset.from);
    if (slow) $("b + span", clock).textContent = reached ? `no answer after ${mmss(limit)}` : `longer than the usual ${mmss(high)}`;
    for (const words of phases) words.hidden = words !== reached;
  }
  for (const frame of $$("[data-holder]")) { // one may take back one's own
    const own = frame.dataset.holder === root.dataset.member;
    for (const button of $$(".own", frame)) button.hidden = !own;
    for (const words of $$(".others", frame)) words.hidden = own;
  }
  for (const time of $$("[data-ago]")) {
    const words = ago(Date.parse(time.dateTime) / 1000, time.dataset.ago === "ago");
    if (words) time.textContent = words;
  }
  for (const time of $$("[data-until]")) {
    const left = Math.ceil(time.dataset.until - now);
    time.textContent = left > 0 ? `in ${left} s` : "now";
  }
  countDown();
  price();
  const tray = $("#tray"), inside = linger(tray);
  for (const hold of $$("[data-hold]")) {
    const sends = Number(hold.dataset.sends), left = Math.ceil(sends - now), place = $("[data-left]", hold);
    if (!place) continue;
    const total = Number(hold.dataset.seconds ?? tray?.firstElementChild?.dataset.seconds ?? 10);
    place.textContent = sends ? Math.max(0, Math.min(left, total)) : "∞";
    $("circle:last-child", hold)?.setAttribute("stroke-dashoffset", sends ? Math.min(1, Math.max(0, 1 - left / total)).toFixed(3) : 0);
    if (sends && left <= -1 && !hold.dataset.asked && !inside) { hold.dataset.asked = "1"; look(); }
  }
}
setInterval(tick, 1000);

// While the pointer or the focus is in the tray nothing is sent under it; the server is told, and told again.
const points = matchMedia("(hover: hover)"), LINGER_S = 45;
let lingers = 0; // since when the server knows
function linger(tray) {
  const counts = Boolean(tray) && Number($("[data-hold]", tray)?.dataset.sends) > 0;
  const inside = Boolean(tray) && tray.matches(points.matches ? ":hover, :focus-within" : ":focus-within");
  const now = serverTime(), tell = (on) => {
    lingers = on ? now : 0;
    const values = { on: on ? "1" : "0", csrfmiddlewaretoken: $("#desk [name=csrfmiddlewaretoken]").value };
    inLine(() => htmx.ajax("POST", tray.dataset.linger, { source: "#desk", target: document.body, swap: "none", values }));
  };
  const soon = counts && $("[data-hold]", tray).dataset.sends - now < LINGER_S / 4;
  if (inside && counts && now - lingers > (soon ? 3 : LINGER_S)) tell(true);
  else if (!inside && lingers) tell(false);
  return inside;
}

// ---- keys: each presses a visible button -------------------------------------------------------------
// Never with a modifier, in a field, in a dialog, while composing; held keys count once.
const typing = (event) => event.ctrlKey || event.metaKey || event.altKey || event.isComposing
  || event.target.closest("input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable]")
    && !event.target.closest("dialog:not([open])"); // one that was just closed keeps the focus for a moment
const visible = (element) => element.checkVisibility?.({ visibilityProperty: true }) ?? element.offsetParent !== null;
const named = (event) => (event.shiftKey && event.key === "Enter" ? "Shift+Enter" : event.key.toLowerCase());

document.addEventListener("keydown", (event) => {
  if (typing(event)) return;
  const dialog = $("dialog[open]");
  if (event.key === "?" && !dialog) { const opener = $("[data-dialog=keys]"); if (opener) openKeys(opener); return; }
  if (!keysOn()) return;
  if (dialog) { // the reasons: 1–9 decides with one
    if (dialog.id === "reasons" && !event.repeat && /^[1-9]$/.test(event.key)) $(`[data-key="${event.key}"]`, dialog)?.click();
    return;
  }
  if (event.key === "/" && $("[type=search]")) { event.preventDefault(); $("[type=search]").focus(); return; }
  const moved = new CustomEvent("loupe:key", { cancelable: true, detail: { key: named(event), repeat: event.repeat, event } });
  if (!document.dispatchEvent(moved)) { event.preventDefault(); return; }
  if (event.shiftKey && event.key !== "Enter") return;
  if (event.repeat && !["j", "k"].includes(event.key)) return;
  if (event.key === " " && event.target.closest("button, a, input, summary")) return;
  const button = $$(`[data-key="${CSS.escape(named(event))}"]`).find((one) => visible(one) && !one.closest("[inert]"));
  if (!button && waiting.size && event.key.toLowerCase() === "u") return fromTray("u"); // its hold is on the way
  if (!button) return;
  event.preventDefault();
  button.click();
});

// ---- the contact sheet ----------------------------------------------------------------------------------
document.addEventListener("loupe:key", (event) => {
  const frames = $$(".contact .frame");
  if (!frames.length) return;
  const { key, repeat } = event.detail;
  const at = frames.indexOf(document.activeElement.closest(".frame"));
  const go = (index) => $(".frame-open", frames[Math.max(0, Math.min(frames.length - 1, index))])?.focus();
  const take = () => event.preventDefault();
  if (key === "j") { take(); go(at + 1); }
  if (key === "k") { take(); go(at < 0 ? 0 : at - 1); }
  if (key === "l") { const other = $$("[name=view]").find((box) => !box.checked); if (other) { take(); other.click(); } }
  if (at < 0 || repeat) return;
  if (key === "a") { take(); const button = $(".btn-ok", frames[at]); if (button) button.click(); else say("This post cannot be approved here"); }
  if (key === "r") { take(); const button = $(".btn-no", frames[at]); if (button) button.click(); else say("This post cannot be decided here"); }
  if (key === " " && document.activeElement.matches(".frame-open")) { take(); $(".frame-pick input", frames[at])?.click(); }
});
// htmx calls a refusal successful when its words are shown.
const isDone = (event) => event.detail.xhr.status >= 200 && event.detail.xhr.status < 400;
function unpick(boxes = $$(PICKED)) { // the bar goes, so what had the focus there hands it to the first frame
  const held = document.activeElement.closest(".bulk, #ask");
  for (const box of boxes) {
    box.checked = false;
    $(".refusal", box.closest(".frame"))?.remove();
  }
  countPicked();
  if (held && !$(PICKED)) $(".frame-open", boxes[0]?.closest(".frame"))?.focus();
}
document.addEventListener("htmx:afterRequest", (event) => { // what was decided together is no longer picked
  const from = event.detail.elt;
  if (!isDone(event) || !from?.matches?.(".bulk [form=desk]:not([data-bill-many]), .bulk [data-reasons], form[data-many]")) return;
  unpick($$(PICKED).filter((box) => sent.has(box.value.split(":")[0]) && !$(".refusal", box.closest(".frame"))));
});

// ---- many at once: each row that was refused says why, and stays picked -----------------------------------
const PICKED = ".frame-pick :checked", AT_ONCE = 200;
const sent = new Set();
function takePicked() {
  const picked = $$(PICKED).slice(0, AT_ONCE);
  sent.clear();
  for (const box of picked) {
    sent.add(box.value.split(":")[0]);
    $(".refusal", box.closest(".frame"))?.remove();
  }
  return picked.map((box) => box.value);
}
function takeRefusals() {
  for (const words of $$("#changes > .refusal")) {
    const frame = document.getElementById(words.dataset.of), text = frame && $(".frame-text", frame);
    if (!text) { words.remove(); continue; }
    $(".refusal", frame)?.remove();
    text.append(words);
  }
}
function billMany(button) {
  const values = Object.fromEntries(new FormData(button.form, button));
  ask(button.getAttribute("formaction"), button, { ...values, post: takePicked() });
}
document.addEventListener("close", (event) => { // with the bar gone, the focus goes where the rows are
  if (event.target.id === "ask" && asker?.closest(".bulk") && !$(PICKED)) $(".contact .frame-open")?.focus();
}, true);
function countPicked() {
  const place = $("[data-bulk-count]");
  if (place) place.textContent = `${$$(PICKED).length} selected`;
  showPickAll();
}
function showPickAll() {
  const button = $("[data-pick-all]"), all = button && !$(".contact .frame-pick :not(:checked)");
  if (!button) return;
  button.setAttribute("aria-pressed", all);
  button.textContent = all ? "Select none" : "Select all";
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-pick-all]");
  if (!button) return;
  const isOn = button.getAttribute("aria-pressed") !== "true";
  if (!isOn) unpick();
  for (const box of $$(".contact .frame-pick input")) box.checked = isOn;
  countPicked();
  say(isOn ? `${$$(PICKED).length} selected` : "Selection cleared");
});
document.addEventListener("loupe:pressed", (event) => { // the mark, before any answer
  const button = event.target, frame = button.closest(".frame"), kind = button.dataset.decide;
  if (!frame || !kind) return;
  frame.dataset.state = "held";
  const film = $(".frame-film", frame), mark = $(`#wax-${kind}`);
  film.classList.add("draw");
  if (mark && !$(".wax", frame)) $(".frame-media", frame).append(mark.content.cloneNode(true));
});
// The database is away: the answer says so on the page as it is.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.xhr.status !== 503 || detail.xhr.getResponseHeader("HX-Reswap") !== "none") return; // a proxy's own
  detail.isError = false;
  detail.shouldSwap = detail.requestConfig.verb !== "get" || !$("[data-outage]"); // a poll tells it once
});
document.addEventListener("htmx:beforeSwap", ({ detail }) => { if (!detail.isError) answered(); });
document.addEventListener("htmx:afterRequest", (event) => {
  if (isDone(event)) for (const told of $$("[data-outage=look]")) told.remove();
});
document.addEventListener("htmx:afterRequest", (event) => { // a “no” brings the frame back in its place
  const frame = event.detail.elt?.closest?.(".frame");
  if (!frame || isDone(event) || !frame.isConnected) return;
  $(".wax", frame)?.remove();
  frame.dataset.state = $("[data-refusal]", frame)?.dataset.refusal ?? "ready";
  const came = meanwhile.get(frame);
  if (event.detail.xhr.status) tellBeside(frame, $("#notices .notice[role=alert]"));
  else if (came && came.dataset.v !== frame.dataset.v) frame.replaceWith(came);
  if (frame.contains(document.activeElement)) $(".frame-open", frame).focus({ preventScroll: true });
  look();
});
function tellBeside(frame, told) { // its reason stands with it, so that nothing above moves it away
  const text = $(".frame-text", frame);
  if (!told || !text || $("[data-refusal]", frame)) return;
  const words = $("p", told).cloneNode(true);
  words.className = "refusal small";
  if (told.dataset.lost) { words.dataset.lost = told.dataset.lost; say(words.textContent); }
  $(".refusal", frame)?.remove();
  text.append(words);
  dismiss(told);
}
document.addEventListener("click", (event) => { // open a frame within the view it is shown in
  const link = event.target.closest(".frame-open"), query = link?.closest("[data-query]")?.dataset.query;
  if (query && !link.search) link.search = query;
});
$$(".frame-pick :checked").forEach((box) => { box.checked = false; }); // a browser may restore what was picked
tick();
