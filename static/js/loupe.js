// What every page does. It builds no HTML and knows no address: both come with the page.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const root = document.documentElement;
root.classList.add("js");

// ---- one polite voice -----------------------------------------------------------------------
// What is said right after something else follows it, so that neither is lost.
let saidAt = 0, said = "";
const say = (text) => {
  const place = $("#announce"), standing = place.textContent;
  const isFresh = standing && (standing !== said || Date.now() - saidAt < 1000); // an answer's words count as fresh
  said = isFresh && !standing.includes(text) ? `${standing}. ${text}` : text;
  saidAt = Date.now();
  place.textContent = "";
  requestAnimationFrame(() => { place.textContent = said; });
};
document.addEventListener("loupe:say", (event) => say(event.detail));

// ---- the page's one form: every button submits it with its own address -----------------------
// A press is marked at once; the answer brings the tray, a new token and the changed parts.
function press(button) {
  if (button.dataset.busy) return;
  const values = Object.fromEntries(new FormData(button.form, button));
  delete values.post;
  if (button.closest(".bulk")) values.post = $$(".frame-pick :checked").map((box) => box.value);
  send(button, values);
}
function send(button, values) {
  button.dataset.busy = "1";
  const version = button.closest("[data-version]")?.dataset.version;
  button.dispatchEvent(new CustomEvent("loupe:pressed", { bubbles: true }));
  if (values.theme === "toggle") values.theme = root.dataset.theme; // only the browser knows what the device prefers
  htmx.ajax("POST", button.getAttribute("formaction"), { source: button, target: document.body, swap: "none", values, headers: version ? { "X-Version": version } : {} })
    .finally(() => { delete button.dataset.busy; });
}
// htmx finds the places of an answer from where its button is: until it comes, a poll must not replace the button.
const awaits = (part) => part.matches("[data-busy]") || $("[data-busy]", part);
document.addEventListener("htmx:beforeOnLoad", (event) => { delete event.detail.elt.dataset.busy; });
// Whoever is on a control stays on it when its part is replaced.
let stood = null;
const likeness = (on) => {
  const name = ["id", "data-key", "formaction", "href"].find((one) => on.hasAttribute(one));
  return name && `[${name}="${CSS.escape(on.getAttribute(name))}"]`;
};
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const part = event.detail.target, on = document.activeElement;
  if (awaits(part)) event.detail.shouldSwap = false;
  else if (part.id && part !== on && part.contains(on)) stood = { part: part.id, like: likeness(on) };
});
document.addEventListener("htmx:oobAfterSwap", () => {
  const part = stood && document.getElementById(stood.part);
  if (part && stood.like && document.activeElement === document.body) $(stood.like, part)?.focus();
  stood = null;
});

document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button || event.target.id !== "desk" || button.dataset.leaves !== undefined) return;
  event.preventDefault();
  press(button);
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
function ask(address, from) {
  asker = from;
  if (!$("#ask").open) $("#ask").replaceChildren(); // a refusal must not show the question before
  htmx.ajax("GET", address, { source: from, target: "#ask", swap: "innerHTML" }).then(() => {
    const dialog = $("#ask");
    if (!dialog.firstElementChild) return;
    if (!dialog.open) dialog.showModal(); // one question may lead to the next
    ($("[autofocus]", dialog) ?? $("[data-close]", dialog))?.focus();
  });
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
  const version = asker?.closest("[data-version]")?.dataset.version;
  htmx.ajax("POST", form.getAttribute("action"), { source: form, target: form.dataset.target ?? document.body, swap: form.dataset.swap ?? "none", values, headers: version ? { "X-Version": version } : {} })
    .then(() => { if (!$("[aria-invalid=true]", form)) $("#ask").close(); });
});

// ---- reasons: the short list under Reject ------------------------------------------------------
let rejecting = null;
function openReasons(button) {
  const dialog = $("#reasons");
  if (!dialog) return;
  rejecting = button;
  $("#reasons-title").textContent = button.dataset.title ?? button.getAttribute("aria-label") ?? "Reject";
  const note = $("[data-reasons-note]");
  note.textContent = button.dataset.note ?? "";
  note.hidden = !button.dataset.note;
  dialog.showModal();
  $(".reasons button, [data-plain]", dialog)?.focus();
}
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-reasons-form]")) return;
  event.preventDefault();
  const form = event.target, button = rejecting;
  const values = Object.fromEntries(new FormData(form, event.submitter));
  values.token = $("#desk-token").value;
  values.fingerprint = button.dataset.fingerprint ?? $(".frame-pick input", button.closest(".frame") ?? form)?.value.split(":")[1] ?? "";
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
  if (target.closest("[data-dismiss]")) target.closest(".notice").parentElement.remove();
  const why = target.closest("[data-why]");
  if (why && why.getAttribute("aria-disabled") === "true") say(why.dataset.why);
  if (target.matches("dialog")) target.close();
  for (const open of $$("details.drop[open]")) if (!open.contains(target)) open.open = false;
  if (target.closest("[data-bulk-clear]")) { unpick(); say("Selection cleared"); }
  if (target.matches("[data-keys-switch]")) setKeys(target);
});

function openKeys(opener) {
  const dialog = $("#keys");
  const show = () => { if (dialog.firstElementChild && !dialog.open) dialog.showModal(); };
  if (dialog.firstElementChild) return show();
  return htmx.ajax("GET", opener.getAttribute("href"), { source: dialog, target: dialog, swap: "innerHTML" }).then(show);
}

function setKeys(box) {
  root.dataset.keys = box.checked ? "on" : "off";
  const values = { keys: box.checked ? "1" : "0", csrfmiddlewaretoken: $("#desk [name=csrfmiddlewaretoken]").value };
  htmx.ajax("POST", box.dataset.keysSwitch, { source: box, target: document.body, swap: "none", values });
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
  const [theme, keys] = saved.dataset.worn.split(" ");
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
    document.dispatchEvent(new CustomEvent("loupe:picked"));
  }
});

// ---- polling: nothing while nobody is looking -----------------------------------------------------
document.addEventListener("htmx:beforeRequest", (event) => {
  const poller = event.target;
  if (!poller.matches?.("[data-poll]")) return;
  if (document.hidden || poller.closest("[hidden]:not([data-poll])")) event.preventDefault();
});
const look = () => $$("[data-poll]").forEach((poller) => htmx.trigger(poller, "look"));
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
document.addEventListener("loupe:look", look);

// Changed rows arrive in #changes and take the place of those on the page, the smallest at a time.
function takeChanges() {
  for (const fresh of $$("#changes > [id]")) {
    const old = $$(`[id="${fresh.id}"]`).find((node) => node !== fresh);
    if (!old || old.dataset.v === fresh.dataset.v || awaits(old)) { fresh.remove(); continue; }
    const focused = old.contains(document.activeElement), held = document.activeElement.id;
    const picked = $(".frame-pick :checked", old);
    old.replaceWith(fresh);
    if (picked && $(".frame-pick input", fresh)) $(".frame-pick input", fresh).checked = true;
    if (focused) ((held && $(`[id="${held}"]`, fresh)) || $(".frame-open", fresh) || fresh).focus();
  }
}
document.addEventListener("htmx:oobAfterSwap", (event) => { if (event.target.id === "changes") takeChanges(); });
document.addEventListener("htmx:afterSettle", () => { takeChanges(); tick(); });

// ---- time: the server owns it, the page goes on counting -------------------------------------------
const mmss = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
function ago(at, long) {
  const seconds = Math.max(0, Math.floor(Date.now() / 1000 - at));
  const after = long ? " ago" : "";
  if (seconds < 60) return long ? `${seconds} s ago` : "now";
  if (seconds < 5400) return `${Math.floor(seconds / 60)} min${after}`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h${after}`;
  return null; // the day stands there already
}
function tick() {
  const now = Date.now() / 1000;
  for (const clock of $$("[data-clock]")) {
    const [, high, limit] = clock.dataset.span.split(" ").map(Number);
    const elapsed = Math.max(0, now - clock.dataset.since);
    $("b", clock).textContent = mmss(elapsed);
    $(".needle", clock)?.setAttribute("x", Math.min(99, (100 * elapsed) / limit).toFixed(1));
    const slow = elapsed > high;
    clock.classList.toggle("is-slow", slow);
    if (slow) $("b + span", clock).textContent = `longer than the usual ${mmss(high)}`;
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
  const tray = $("#tray"), waiting = tray?.matches(":hover, :focus-within");
  for (const hold of $$("[data-hold]")) {
    const sends = Number(hold.dataset.sends), left = Math.ceil(sends - now), place = $("[data-left]", hold);
    if (!place) continue;
    place.textContent = sends ? Math.max(0, left) : "∞";
    const total = Number(hold.dataset.seconds ?? tray?.firstElementChild?.dataset.seconds ?? 10);
    $("circle:last-child", hold)?.setAttribute("stroke-dashoffset", sends ? Math.min(1, Math.max(0, 1 - left / total)).toFixed(3) : 0);
    if (sends && left <= -1 && !hold.dataset.asked && !waiting) { hold.dataset.asked = "1"; look(); }
  }
}
setInterval(tick, 1000);

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
  const button = $$(`[data-key="${CSS.escape(named(event))}"]`).find((one) => visible(one));
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
function unpick() { // the bar goes, so what had the focus there hands it to the first frame
  const picked = $$(".frame-pick :checked"), held = document.activeElement.closest(".bulk");
  picked.forEach((box) => { box.checked = false; });
  if (held) $(".frame-open", picked[0]?.closest(".frame"))?.focus();
}
document.addEventListener("htmx:afterRequest", (event) => { // what was decided together is no longer picked
  if (isDone(event) && event.detail.elt?.matches?.(".bulk [form=desk]")) unpick();
});
document.addEventListener("loupe:pressed", (event) => { // the mark, before any answer
  const button = event.target, frame = button.closest(".frame"), kind = button.dataset.decide;
  if (!frame || !kind) return;
  frame.dataset.state = "held";
  const film = $(".frame-film", frame), mark = $(`#wax-${kind}`);
  film.classList.add("draw");
  if (mark && !$(".wax", frame)) $(".frame-media", frame).append(mark.content.cloneNode(true));
});
document.addEventListener("htmx:responseError", (event) => say(event.detail.xhr.status ? "The server answered with an error. Nothing was decided." : "No connection. Nothing was sent."));
document.addEventListener("htmx:sendError", () => say("No connection. Nothing was sent; try again."));
document.addEventListener("htmx:afterRequest", (event) => { // a “no” brings the frame back in its place
  const frame = event.detail.elt?.closest?.(".frame");
  if (!frame || isDone(event) || !frame.isConnected) return;
  $(".wax", frame)?.remove();
  frame.dataset.state = "ready";
  look();
});
document.addEventListener("click", (event) => { // open a frame within the view it is shown in
  const link = event.target.closest(".frame-open"), query = link?.closest("[data-query]")?.dataset.query;
  if (query && !link.search) link.search = query;
});
$$(".frame-pick :checked").forEach((box) => { box.checked = false; }); // a browser may restore what was picked
tick();
