// Focus mode. The next post is on the page before it is wanted; a decision never waits for the server.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const say = (text) => document.dispatchEvent(new CustomEvent("loupe:say", { detail: text }));
const AHEAD = 2, NEAR = 6, KEPT = 8, MARK_MS = 260; // long enough to see the mark land

const post = () => $(".review-post:not([hidden])");
const cells = () => $$(".review-queue [data-goto]");
const cell = (id = post().dataset.post) => $(`.review-queue [data-goto="${id}"]`);
const article = (id) => document.getElementById(`p-${id}`);

// ---- from post to post ----------------------------------------------------------------------------
const coming = new Map();
function fetchArticle(id) { // one request a post, however many want it; each from its own link, as htmx keeps one a source
  const link = cell(id);
  if (article(id) || !link) return Promise.resolve(article(id));
  if (!coming.has(id)) {
    const all = cells(), end = all.length - all.indexOf(link) < NEAR ? $("#strip-end:not([data-asked])") : null;
    const values = end ? { behind: end.dataset.end } : {}; // the strip is continued by the way
    end?.toggleAttribute("data-asked", true);
    let status = 0;
    link.addEventListener("htmx:beforeOnLoad", ({ detail }) => { status = detail.xhr.status; }, { once: true });
    const answer = htmx.ajax("GET", link.getAttribute("href"), { source: link, target: "#main", swap: "beforeend", values });
    coming.set(id, answer.then(() => (status < 500 ? article(id) : undefined)).finally(() => { coming.delete(id); end?.removeAttribute("data-asked"); }));
  }
  return coming.get(id);
}

async function show(id, { push = true, quiet = false, focus = false } = {}) {
  stay(); // whoever goes somewhere is not taken elsewhere
  if (show.wanted && show.wanted !== id) held.length = 0; // what was pressed was for the post that nobody waits for now
  show.wanted = id;
  const link = cell(id);
  const next = article(id) ?? (await fetchArticle(id).catch(() => undefined)); // without an answer one stays
  if (show.wanted !== id) return;
  delete show.wanted;
  if (!next) {
    held.length = 0;
    if (link && next === null) location.assign(link.href);
    else if (link) say("The post did not come");
    return;
  }
  const old = post(), stood = document.activeElement;
  $$("video", old).forEach((video) => video.pause());
  if (old !== next) {
    old.hidden = true;
    next.hidden = false;
    $$(".draw", old).forEach((shot) => shot.classList.remove("draw"));
  }
  mark();
  paint(next);
  link?.scrollIntoView({ block: "nearest" });
  const place = cells().indexOf(link);
  const here = $("[data-position]");
  if (place >= 0 && show.place !== undefined) here.textContent = Number(here.textContent) + place - show.place;
  here.dataset.short = Math.max(0, here.dataset.of.length - here.textContent.length);
  show.place = place;
  if (push) history.pushState({ post: id }, "", link?.getAttribute("href") ?? location.href);
  document.title = document.title.replace(/Reviewing \S+/, `Reviewing ${next.dataset.title.split(" ").pop()}`);
  document.dispatchEvent(new CustomEvent("loupe:shown"));
  if (focus || stood === document.body || old !== next && old.contains(stood)) {
    ($(".veil button", next) ?? $(".decide", next))?.focus({ preventScroll: true });
  }
  const others = link?.dataset.taken;
  if (!quiet) say(`Post ${next.dataset.title}${others ? `. ${besides(others)}` : ""}`);
  pressAgain();
  afterwards();
}

function afterwards() { // what nobody waits for comes after the frame that shows the post
  cancelAnimationFrame(afterwards.frame);
  afterwards.frame = requestAnimationFrame(() => setTimeout(() => {
    htmx.trigger($("[data-poll]", post()) ?? post(), "look");
    ahead();
    tidy();
  }));
}

// What comes after a decision: the next post that nobody has decided or has open. By hand one goes anywhere.
function onward(one) {
  const all = cells(), at = all.indexOf(cell(one.dataset.post)), behind = all.slice(at + 1);
  const undecided = behind.filter((link) => !$(".wax", link));
  const next = undecided.find((link) => !link.dataset.taken) ?? undecided[0];
  if (!next) return say("That was the last post");
  return show(next.dataset.goto);
}

function step(by) {
  const all = cells(), at = all.indexOf(cell(show.wanted)), next = all[at + by];
  if (!next) return say(by > 0 ? "That was the last post" : "This is the first post");
  return show(next.dataset.goto);
}

function ahead() { // the next two posts, whole, with their pictures
  const all = cells(), at = all.indexOf(cell());
  for (const link of all.slice(at + 1, at + 1 + AHEAD)) {
    fetchArticle(link.dataset.goto).then((one) => {
      if (one) develop(one);
    }, () => {});
  }
  const end = $("#strip-end:not([data-asked])"); // nothing that was fetched could bring it
  if (end && all.length - at < NEAR - AHEAD) htmx.trigger(end, "more");
}

function develop(one) { // fetched and decoded, so that they are painted with the post
  if (one.dataset.developed) return;
  one.dataset.developed = "1";
  for (const picture of $$(".panes:not([hidden]) img", one)) {
    picture.loading = "eager";
    picture.decode().catch(() => {});
  }
  for (const { poster } of $$(".panes:not([hidden]) video", one)) {
    if (poster) Object.assign(new Image(), { src: poster }).decode().catch(() => {});
  }
}

function tidy() { // far ones leave the page; the server has them
  const all = cells().map((link) => link.dataset.goto), at = all.indexOf(post().dataset.post);
  const spare = $$(".review-post[hidden]").filter((one) => !$("[data-busy], .htmx-request", one) && !isWritten(one)).sort((a, b) => Math.abs(all.indexOf(b.dataset.post) - at) - Math.abs(all.indexOf(a.dataset.post) - at));
  for (const one of spare.slice(0, Math.max(0, spare.length + 1 - KEPT))) one.remove();
}

const isWritten = (one) => $$("textarea", one).some((text) => text.value !== text.defaultValue); // a note that was not sent

function mark() {
  for (const link of cells()) {
    if (link.dataset.goto === post().dataset.post) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  company();
}

// ---- who else is here -----------------------------------------------------------------------------
const besides = (names) => `${names} ${names.includes(" and ") ? "are" : "is"} looking at this too`;
function company() {
  const taken = new Map($$("#presence data").map((one) => [one.value, one.textContent]));
  for (const link of cells()) {
    const names = taken.get(link.dataset.goto);
    if (names) { link.dataset.taken = names; link.title = besides(names); } else if (link.dataset.taken) { delete link.dataset.taken; link.removeAttribute("title"); }
  }
  const names = taken.get(post().dataset.post) ?? "", here = $("#presence [data-here]");
  if (names && here.hidden && company.post === post()) say(besides(names));
  company.post = post();
  here.hidden = !names;
  $("[data-words]", here).textContent = names && besides(names);
}

addEventListener("popstate", (event) => {
  const id = event.state?.post;
  if (id && id !== post()?.dataset.post) show(id, { push: false });
});

// ---- within a post: items, versions, views ----------------------------------------------------------
const slots = (one = post()) => $$(".panes[data-slot]", one);
const slot = (one = post()) => slots(one).find((panes) => !panes.hidden);

function pick(number, one = post()) {
  const wanted = slots(one).find((panes) => panes.dataset.slot === String(number));
  if (!wanted) return;
  one.dataset.at = number;
  for (const part of $$("[data-slot]", one)) part.hidden = part.dataset.slot !== String(number);
  for (const link of $$("[data-item]", one)) {
    if (link.dataset.item === String(number)) { link.setAttribute("aria-current", "true"); link.scrollIntoView({ block: "nearest", inline: "nearest" }); } else link.removeAttribute("aria-current");
  }
  $$("img[loading=lazy]", wanted).forEach((picture) => { picture.loading = "eager"; });
  document.dispatchEvent(new CustomEvent("loupe:shown"));
  say(`Item ${number} of ${slots(one).length}`);
}

function version(by, link) {
  const all = $$("[data-version]", slot());
  const links = all.filter((one) => one.matches("a"));
  if (!links.length) return say("This item has one version");
  const at = link ? links.indexOf(link) : links.findIndex((one) => one.getAttribute("aria-pressed") === "true") + by;
  const to = links[Math.max(0, Math.min(links.length - 1, at))], letter = to.dataset.version;
  links.forEach((one) => one.setAttribute("aria-pressed", one === to));
  $$(".pane-made .shot", slot()).forEach((shot) => { shot.hidden = shot.dataset.take !== letter; });
  say(`Version ${letter}${to === links.at(-1) ? "" : ". Approve publishes the newest"}`);
}

function paint(one) { // what the server does not know: which item was picked, a decision not yet answered
  const first = !one.dataset.at && slot(one);
  if (first) one.dataset.at = first.dataset.slot; // where it was opened: tools that come by themselves do not know
  if (one.dataset.at && slots(one).length > 1) {
    const number = one.dataset.at;
    for (const part of $$("[data-slot]", one)) part.hidden = part.dataset.slot !== number;
    for (const link of $$("[data-item]", one)) { if (link.dataset.item === number) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current"); }
  }
  if (one.dataset.view && $(".stage", one)) $(".stage", one).dataset.view = one.dataset.view;
  if (one.dataset.diff === "off") $(".caption", one)?.classList.add("is-clean");
  const veil = $(".veil", one);
  one.dataset.state = veil?.dataset.veil ?? $(".side", one).dataset.state;
  for (const part of $$(".tools", one)) part.inert = Boolean(veil);
  const isSent = $("[data-busy][data-decide]", one); // a stage of before it may have come meanwhile
  if (one.dataset.known && !isSent && !["held", "done"].includes(one.dataset.state)) lift(one);
  if (one.dataset.decision && (isSent || one.dataset.state === "held")) impress(one);
}

const videos = () => $$(".shot:not([hidden]) video", slot()).filter((video) => video.checkVisibility?.() ?? true);
const main = () => $$(".pane-made .shot:not([hidden]) video", slot()).at(-1); // of two versions the newer
const flash = (on) => { // off wherever it was on: one may have gone on meanwhile
  const shot = $(".pane-made .shot:not([hidden])", slot());
  for (const shown of $$(".show-source")) if (!on || shown !== shot) shown.classList.remove("show-source");
  if (on) shot?.classList.add("show-source");
  for (const button of $$("[data-act=flash]")) button.setAttribute("aria-pressed", on && post().contains(button));
};

const acts = {
  flash: (button) => flash(button.getAttribute("aria-pressed") !== "true"),
  view() {
    const one = post(), solo = $(".stage", one).dataset.view !== "solo";
    one.dataset.view = $(".stage", one).dataset.view = solo ? "solo" : "both";
    $$("[data-act=view]", one).forEach((button) => button.setAttribute("aria-pressed", solo));
  },
  source() {
    const one = post(), on = $(".stage", one).dataset.view !== "source";
    one.dataset.view = $(".stage", one).dataset.view = on ? "source" : "both";
    $$("[data-act=source]", one).forEach((button) => button.setAttribute("aria-pressed", on));
  },
  diff(button) {
    const clean = $(".caption", post()).classList.toggle("is-clean");
    post().dataset.diff = clean ? "off" : "on";
    button.setAttribute("aria-pressed", !clean);
    say(clean ? "Final caption" : "Changes against the source");
  },
  play() { const all = videos(); if (!all.length) return; if (all[0].paused) all.forEach((video) => video.play()); else all.forEach((video) => video.pause()); },
  mute(button) { const video = main(); if (!video) return; video.muted = !video.muted; button.setAttribute("aria-pressed", video.muted); button.setAttribute("aria-label", video.muted ? "Muted" : "Sound on"); say(video.muted ? "Muted" : "Sound on"); },
  speed(button) { const all = videos(); if (!all.length) return; const rate = { 1: 1.5, 1.5: 2, 2: 0.5, 0.5: 1 }[all[0].playbackRate] ?? 1; all.forEach((video) => { video.playbackRate = rate; }); button.textContent = `${rate}×`; button.setAttribute("aria-label", `Speed: ${rate} times`); },
  hear(button) { // the same moment, in the other voice
    const video = main(), converted = button.getAttribute("aria-pressed") !== "true", at = video.currentTime, playing = !video.paused;
    video.dataset.plain ??= video.getAttribute("src");
    video.src = converted ? video.dataset.voice : video.dataset.plain;
    video.addEventListener("loadedmetadata", () => { video.currentTime = at; if (playing) video.play(); }, { once: true });
    button.setAttribute("aria-pressed", converted);
    say(converted ? "Converted voice" : "Original voice");
  },
};

document.addEventListener("click", (event) => {
  const goto = event.target.closest("[data-goto]"), item = event.target.closest("[data-item]");
  const take = event.target.closest("a[data-version]"), act = event.target.closest("[data-act]"), by = event.target.closest("[data-step]");
  if (event.ctrlKey || event.metaKey) return;
  if (goto) { event.preventDefault(); show(goto.dataset.goto); }
  else if (item) { event.preventDefault(); pick(item.dataset.item); }
  else if (take) { event.preventDefault(); version(0, take); }
  else if (by) { event.preventDefault(); step(Number(by.dataset.step)); }
  else if (act && acts[act.dataset.act]) acts[act.dataset.act](act);
});

document.addEventListener("loupe:key", (event) => {
  const { key, repeat } = event.detail, one = post(), many = slots(one);
  const at = many.indexOf(slot(one)), take = () => event.preventDefault();
  if (key === "escape") { take(); $("[data-back]").click(); }
  if (key === "s" && !repeat) { take(); flash.isHeld = true; flash(true); }
  if (key === "h") { take(); const history = $("[data-history]", one); history.open = !history.open; if (history.open) history.scrollIntoView({ block: "nearest" }); }
  if (/^[1-9]$/.test(key)) { take(); pick(key); }
  if (many.length > 1 && (key === "arrowright" || key === "arrowleft") && !event.detail.event.target.matches("[type=range]")) {
    take();
    pick(many[Math.max(0, Math.min(many.length - 1, at + (key === "arrowright" ? 1 : -1)))].dataset.slot);
  }
  if (key === "[" || key === "]") { take(); version(key === "[" ? -1 : 1); }
});
const letGo = () => { if (flash.isHeld) flash(flash.isHeld = false); };
document.addEventListener("keyup", (event) => { if (event.key.toLowerCase() === "s") letGo(); });
addEventListener("blur", letGo); // elsewhere nobody hears of it
document.addEventListener("loupe:shown", () => { if ($(".show-source")) flash(Boolean(flash.isHeld)); }); // it is of what is shown

// ---- decisions: marked, and on to the next ------------------------------------------------------------
document.addEventListener("loupe:pressed", (event) => {
  const button = event.target, kind = button.dataset.decide, one = button.closest(".review-post");
  if (!kind || !one) return;
  lift(one);
  one.dataset.decision = kind;
  const frame = $(".cell", cell(one.dataset.post));
  impress(one)?.classList.add("draw");
  if (frame && !$(".wax", frame)) frame.append(wax(kind));
  stay();
  show.landing = one;
  show.advance = setTimeout(go, MARK_MS);
});
function impress(one) { // the mark on its picture, where there is none
  const shot = $(".pane-made .shot:not([hidden])", slot(one));
  if (!shot || $(".wax", shot)) return null;
  shot.append(wax(one.dataset.decision));
  return shot;
}
function wax(kind) {
  const mark = $(`#wax-${kind}`).content.firstElementChild.cloneNode(true);
  mark.dataset.own = ""; // until the server has said yes or no
  return mark;
}
function stay() { clearTimeout(show.advance); delete show.landing; }
function go() {
  const one = show.landing;
  stay();
  if (one && one === post() && one.dataset.decision) return onward(one);
}

// While the mark lands the next post is already meant: a key goes there first, a second click does nothing.
const ACTING = "arcxgpv", held = [];
addEventListener("keydown", (event) => {
  const off = event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat || !event.isTrusted
    || document.documentElement.dataset.keys === "off" || $("dialog[open]")
    || event.target.closest?.("input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable]");
  const key = event.key.toLowerCase();
  if (off || key.length !== 1) return;
  if (key === "u" && !held.length) return stay();
  if (show.landing && `${ACTING}jk`.includes(key)) go();
  if (!show.wanted || !(ACTING.includes(key) || held.length && /[1-9jku]/.test(key))) return; // with its reason, and on
  event.preventDefault();
  event.stopImmediatePropagation();
  if (key === "u") { held.length = 0; say("Taken back before it was done"); } // it is newer than all that is held in the tray
  else held.push(event.key); // the post it is meant for is on its way
}, true);
function pressAgain() { // up to the next post that is not here yet: what follows is for that one
  while (held.length && !show.wanted) (document.activeElement ?? document.body).dispatchEvent(new KeyboardEvent("keydown", { key: held.shift(), bubbles: true, cancelable: true }));
}
document.addEventListener("click", (event) => {
  if (!show.landing?.contains(event.target) || !event.target.closest("[data-decide], [data-reasons]")) return;
  if (event.detail === 0 && !event.isTrusted) return; // a key's
  event.preventDefault();
  event.stopPropagation();
}, true);

// A note, or another of its tools, may be refused as well.
const isDecision = ({ detail: { requestConfig: { verb, elt } } }) => verb === "post" && elt.matches("[data-decide]");
document.addEventListener("htmx:beforeOnLoad", (event) => { // the server said no: before its words, our mark goes
  const one = event.detail.elt?.closest?.(".review-post"), { status } = event.detail.xhr;
  if (one?.dataset.decision && isDecision(event) && status >= 400) unmark(one);
});
document.addEventListener("htmx:afterRequest", (event) => {
  const one = event.detail.elt?.closest?.(".review-post"); // the button itself may have been replaced by the answer
  const { status } = event.detail.xhr; // “successful” would only say that the answer was shown
  if (!one?.dataset.decision || !isDecision(event)) return;
  if (status >= 200 && status < 400) { one.dataset.answered = "1"; return; }
  lift(one); // the post comes back, with its reason
  held.length = 0; // what was meant for another post is not done to this one
  show(one.dataset.post, { quiet: true, focus: true });
});
function unmark(one) {
  for (const mark of [...$$(".wax[data-own]", one), ...$$(".wax[data-own]", cell(one.dataset.post) ?? one)]) mark.remove();
}
function lift(one) { // there is no decision, or none any more
  for (const name of ["decision", "answered", "known"]) delete one.dataset[name];
  unmark(one);
}
// It may have been taken back elsewhere: what was asked for after its answer knows whether it stands.
const later = new WeakSet();
document.addEventListener("htmx:beforeRequest", ({ detail: { elt, xhr } }) => {
  if (elt.matches("[data-poll]") && elt.closest("[data-answered]")) later.add(xhr);
});
document.addEventListener("htmx:beforeOnLoad", ({ detail: { elt, xhr } }) => {
  const one = xhr.status === 200 && later.has(xhr) && elt.closest("[data-answered]");
  if (one) one.dataset.known = "1";
});

document.addEventListener("loupe:undone", (event) => {
  const id = event.detail.post, one = article(id);
  $(".wax", cell(id) ?? document.createElement("i"))?.remove();
  if (one) { lift(one); $$(".shot .wax", one).forEach((mark) => mark.remove()); }
  if (cell(id)) show(id, { quiet: true, focus: true });
});

// A part that was swapped shows the item that was picked; a stage that was swapped has new pictures.
document.addEventListener("loupe:settled", () => {
  const one = post();
  if (!one) return;
  paint(one);
  mark();
  const poller = $("[data-poll]", one);
  const found = poller?.getAttribute("hx-get").match(/[?&]v=(\d+)/);
  if (found) one.dataset.version = found[1];
});

// ---- the player: both panes in step --------------------------------------------------------------------
const clock = (seconds) => `${Math.floor((seconds || 0) / 60)}:${String(Math.floor((seconds || 0) % 60)).padStart(2, "0")}`;
const draw = (video) => {
  const shot = video.closest(".shot"), seek = $("[data-seek]", shot), time = $("[data-time]", shot);
  if (time) time.textContent = `${clock(video.currentTime)} / ${clock(Math.round(video.duration))}`;
  if (seek && video.duration && !seek.matches(":active")) seek.value = (1000 * video.currentTime) / video.duration;
};
for (const name of ["timeupdate", "loadedmetadata", "seeked"]) {
  document.addEventListener(name, (event) => { if (event.target.matches?.("video[data-main]")) draw(event.target); }, true);
}
for (const name of ["play", "pause"]) {
  document.addEventListener(name, (event) => {
    if (!event.target.matches?.("video[data-main]")) return;
    const button = $("[data-act=play]", event.target.closest(".shot")), paused = event.target.paused;
    button.setAttribute("aria-label", paused ? "Play" : "Pause");
    const use = $("use", button);
    use.setAttribute("href", use.getAttribute("href").replace(/#.*/, paused ? "#i-play" : "#i-pause"));
  }, true);
}
document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-seek]")) return;
  for (const video of videos()) if (video.duration) video.currentTime = (video.duration * event.target.value) / 1000;
});

paint(post());
company();
show.place = cells().indexOf(cell());
history.replaceState({ post: post().dataset.post }, "", location.href);
cell()?.scrollIntoView({ block: "nearest" });
ahead();
