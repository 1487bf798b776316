// Notes: pins on the picture, moments of the video, members to mention. The form and the thread come with the page.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const say = (text) => document.dispatchEvent(new CustomEvent("loupe:say", { detail: text }));
const copy = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);
const DRAG_PX = 6, MARK_PX = 24, STEP = 1, LONG_STEP = 5; // the last two per cent of the picture

const open = () => $(".review-post:not([hidden])") ?? document;
const board = () => $(".notes", open());
const form = () => $("[data-note-form]", open());
const field = (name) => $(`[name=${name}]`, form());
const numbers = ["x", "y", "width", "height"];
let areShown = false; // markers lie over a picture only while somebody wants to see them
let placing = null; // the picture that is being pinned
let shown = ""; // the note that was asked for last; a poll may bring its line anew

// ---- which picture ------------------------------------------------------------------------------------
const hostOf = ({ slotOf, takeOf, of }) =>
  $(`.panes[data-slot="${slotOf}"] .pane-made .shot[data-take="${takeOf}"]`, open()) ?? document.getElementById(`shot-${of}`);
const mediaOf = (host) => host && ($(":scope > video", host) ?? $("img:not(.flash, .unmade)", host));
const option = () => field("item")?.selectedOptions[0];
function shownOption() { // the version on the screen; in the library the one that is chosen, or the first
  const all = $$("option[data-of]", field("item"));
  const shot = $(".panes:not([hidden]) .pane-made .shot:not([hidden])", open());
  if (!shot) return option()?.dataset.of ? option() : all.find((one) => mediaOf(hostOf(one.dataset)));
  const slot = shot.closest("[data-slot]").dataset.slot;
  return all.find((one) => one.dataset.slotOf === slot && one.dataset.takeOf === shot.dataset.take);
}
function about(one) { if (one) field("item").value = one.value; }

// Where the picture itself lies within its host, however it is fitted, zoomed or moved.
function areaOf(host) {
  const media = mediaOf(host), box = media.getBoundingClientRect(), frame = host.getBoundingClientRect();
  const scale = frame.width / host.offsetWidth || 1;
  const natural = [media.naturalWidth || media.videoWidth || Number(media.getAttribute("width")) || box.width, media.naturalHeight || media.videoHeight || Number(media.getAttribute("height")) || box.height];
  const ways = [box.width / natural[0], box.height / natural[1]];
  const fit = getComputedStyle(media).objectFit === "contain" ? Math.min(...ways) : Math.max(...ways);
  const wide = natural[0] * fit, high = natural[1] * fit;
  return {
    left: (box.left + (box.width - wide) / 2 - frame.left) / scale, top: (box.top + (box.height - high) / 2 - frame.top) / scale,
    width: wide / scale, height: high / scale,
  };
}
function fitLayer(layer) {
  const host = layer.parentElement, area = areaOf(host);
  for (const [name, length] of Object.entries(area)) layer.style[name] = `${length}px`;
  const beyond = { top: -area.top, left: -area.left, right: area.left + area.width - host.clientWidth, bottom: area.top + area.height - host.clientHeight };
  for (const [side, length] of Object.entries(beyond)) layer.style.setProperty(`--beyond-${side}`, `${Math.max(0, length)}px`);
  for (const pin of $$(".pin", layer)) pin.classList.toggle("is-away", !isSeen(host, pin.dataset, area));
}
// Of a picture that is enlarged only a part is in its pane.
function spotOf(host, { x, y }, area = areaOf(host)) { // from the middle of the pane, in shares of it
  return [(area.left + area.width * x) / host.clientWidth - 0.5, (area.top + area.height * y) / host.clientHeight - 0.5];
}
const isSeen = (host, { x, y, width, height }, area) => {
  const near = spotOf(host, { x, y }, area), far = spotOf(host, { x: Number(x) + (Number(width) || 0), y: Number(y) + (Number(height) || 0) }, area);
  return near.every((part, axis) => part <= 0.501 && far[axis] >= -0.501); // what lies on the edge is in it
};
function bring(host, place) {
  document.dispatchEvent(new CustomEvent("loupe:bring", { detail: spotOf(host, place) }));
  fitAll(); // what was away could not take the focus
}
const fitAll = () => $$(".pins").forEach(fitLayer);
const sized = new ResizeObserver(fitAll), moved = new MutationObserver(fitAll);
addEventListener("resize", fitAll);
document.addEventListener("transitionend", (event) => { if ($(".pins", event.target.closest(".shot") ?? event.target)) fitAll(); });
document.addEventListener("load", (event) => { if (event.target.parentElement?.querySelector(".pins")) fitAll(); }, true);

function layerOn(host) {
  const layer = $(":scope > .pins", host) ?? copy("pin-layer");
  if (!layer.parentElement) host.append(layer);
  fitLayer(layer);
  sized.observe(host);
  for (const part of [host, mediaOf(host), host.closest(".stage") ?? host]) moved.observe(part, { attributes: true, attributeFilter: ["style", "class", "hidden"] });
  return layer;
}

// ---- markers --------------------------------------------------------------------------------------------
function mark(host, place, pin = copy("pin-mark")) {
  const layer = layerOn(host);
  if (pin.parentElement !== layer) layer.append(pin);
  put(pin, place);
  return pin;
}
function put(pin, { x, y, width, height }) { // shares of the picture, 0 to 1
  Object.assign(pin.dataset, { x, y, width: width || 0, height: height || 0 });
  pin.style.left = `${100 * x}%`;
  pin.style.top = `${100 * y}%`;
  pin.classList.toggle("is-box", Boolean(width && height));
  pin.style.width = width && height ? `${100 * width}%` : "";
  pin.style.height = width && height ? `${100 * height}%` : "";
  fitLayer(pin.parentElement);
}
const share = (text) => (text === "" || text === undefined ? undefined : Number(text));
const placeOf = ({ x, y, width, height }) => ({ x: share(x), y: share(y), width: share(width), height: share(height) });
const draft = () => {
  const [x, y, width, height] = numbers.map((name) => { const typed = field(name)?.value; return typed ? Number(typed) / 100 : undefined; });
  return x === undefined || y === undefined ? null : { x, y, width, height };
};
const percent = (part) => `${Math.round(100 * part)} %`;
const words = (place) => `${percent(place.x)} across, ${percent(place.y)} down${place.width ? `, ${percent(place.width)} wide, ${percent(place.height)} high` : ""}`;

// A pin that stays is never made anew: somebody may be on it, or about to press it.
function draw() {
  sized.disconnect();
  moved.disconnect();
  $$(".note").forEach((note) => note.classList.toggle("is-shown", note.id === shown));
  const kept = new Map($$(".pin[data-note]").map((pin) => [pin.dataset.note, pin]));
  const pinned = $$(".note[data-x]", board() ?? document.createElement("i"));
  const toggle = board() && $("[data-pins]", board());
  if (toggle) {
    toggle.hidden = !pinned.length;
    toggle.setAttribute("aria-pressed", areShown);
    toggle.textContent = areShown ? "Hide pins" : `Show ${pinned.length === 1 ? "1 pin" : `${pinned.length} pins`}`;
  }
  for (const note of areShown ? pinned : []) {
    const host = hostOf(note.dataset);
    if (!mediaOf(host)) continue;
    const pin = mark(host, placeOf(note.dataset), kept.get(note.id));
    kept.delete(note.id);
    pin.dataset.note = note.id;
    pin.setAttribute("aria-label", `Note ${note.dataset.no} by ${$("[data-who]", note).textContent}`);
    $("span", pin).textContent = note.dataset.no;
    if (note.id === shown) pin.setAttribute("aria-current", "true");
    else pin.removeAttribute("aria-current");
  }
  for (const pin of kept.values()) pin.remove();
  drawMoments();
  drawDraft();
  for (const layer of $$(".pins")) if (layer.parentElement !== placing && !$(".pin", layer)) layer.remove();
}

// Notes at a moment stand over the player's bar, where it has one; a mark that stays keeps its focus.
// Those that would lie on each other share one, which leads from the first to the last.
function drawMoments() {
  for (const row of $$(".moments", open())) {
    const shot = row.closest(".shot"), { duration } = mediaOf(shot);
    const notes = duration ? $$(".note[data-at-seconds]", board() ?? row).filter((note) => hostOf(note.dataset) === shot) : [];
    row.hidden = !notes.length;
    const kept = new Map($$(".moment", row).map((one) => [one.dataset.note, one])), used = new Set();
    together(notes, row.clientWidth - 16, duration).forEach((group, place) => {
      const [first] = group, one = kept.get(first.id) ?? copy("moment-mark");
      used.add(one);
      one.dataset.note = first.id;
      one.dataset.notes = group.map((note) => note.id).join(" ");
      one.setAttribute("aria-label", `${called(group)} at ${clock(first.dataset.atSeconds)}`);
      one.style.setProperty("--at", within(first.dataset.atSeconds / duration));
      if (group.some((note) => note.id === shown)) one.setAttribute("aria-current", "true");
      else one.removeAttribute("aria-current");
      $("span", one).textContent = first.dataset.no + (group.length > 1 ? "+" : "");
      if (row.children[place] !== one) row.insertBefore(one, row.children[place] ?? null);
    });
    for (const one of kept.values()) if (!used.has(one)) one.remove();
    if (!measured.has(row)) { measured.add(row); wide.observe(row); }
  }
}
function together(notes, length, duration) {
  const groups = [];
  for (const note of notes.sort((one, other) => one.dataset.atSeconds - other.dataset.atSeconds)) {
    const last = groups.at(-1), apart = last && (length * (note.dataset.atSeconds - last[0].dataset.atSeconds)) / duration;
    if (last && apart < MARK_PX) last.push(note);
    else groups.push([note]);
  }
  return groups;
}
function called(group) {
  const numbers = group.map((note) => note.dataset.no), last = numbers.pop();
  return numbers.length ? `Notes ${numbers.join(", ")} and ${last}` : `Note ${last} by ${$("[data-who]", group[0]).textContent}`;
}
const measured = new WeakSet(), wide = new ResizeObserver(drawMoments); // also when a row comes into sight

function drawDraft() {
  if (!form()) return;
  const place = draft(), one = option(), host = one?.dataset.of && hostOf(one.dataset), moment = field("at_seconds")?.value;
  if (placing && (!placing.isConnected || placing.closest("[hidden]"))) placing = null;
  $("[data-place]", form())?.setAttribute("aria-pressed", Boolean(placing));
  for (const layer of $$(".pins")) layer.classList.toggle("is-placing", layer.parentElement === placing);
  if (placing) layerOn(placing).classList.add("is-placing");
  let pin = $(".pin[data-draft]");
  if (!place || !mediaOf(host)) pin?.remove();
  else {
    pin = mark(host, place, pin ?? undefined);
    pin.dataset.draft = "";
    $("span", pin).textContent = "+";
    pin.setAttribute("aria-label", `New pin, ${words(place)}. Arrow keys move it, with Shift they make it a box, Enter goes back to the note`);
  }
  const told = $("[data-pinned]", form());
  if (!told) return;
  told.hidden = !place && !moment;
  $("[data-pinned-words]", told).textContent = [one?.dataset.of && `Pinned to ${one.dataset.slotOf}${one.dataset.takeOf}`, moment && `at ${clock(moment)}`, place && words(place)].filter(Boolean).join(", ");
}

function set(place) { // into the fields, in per cent
  for (const name of numbers) {
    const part = place?.[name];
    field(name).value = part === undefined || (part === 0 && name.length > 1) ? "" : (100 * part).toFixed(1).replace(/\.0$/, "");
  }
  drawDraft();
}
const within = (part, most = 1) => Math.max(0, Math.min(most, part));
const between = (one, other) => ({ x: Math.min(one.x, other.x), y: Math.min(one.y, other.y), width: Math.abs(one.x - other.x), height: Math.abs(one.y - other.y) });

// ---- placing: click a point, click again or drag for a box; or arrow keys ------------------------------------
let corner = null, from = null;
function begin(byKey) {
  const one = shownOption(), host = one && hostOf(one.dataset);
  if (!mediaOf(host)) return say("There is no picture to pin a note to");
  about(one);
  placing = host;
  corner = null;
  if (host.closest(".stage")?.dataset.view === "source") $("[data-act=source]", open())?.click();
  const bounds = host.getBoundingClientRect();
  if (bounds.top < 0 || bounds.bottom > innerHeight) host.scrollIntoView({ block: "center" });
  if (byKey && !draft()) set({ x: 0.5, y: 0.5 });
  draw();
  if (byKey) { bring(host, draft()); $(".pin[data-draft]")?.focus({ preventScroll: true }); } else say("Press the picture once for a point, twice for a box");
}
function end(back = true) {
  if (placing) placing.querySelector(":scope > .pins")?.classList.remove("is-placing");
  placing = corner = from = null;
  if (back) field("text")?.focus();
  draw();
}
function shareAt(event) {
  const area = event.target.closest(".pins").getBoundingClientRect();
  return { x: within((event.clientX - area.left) / area.width), y: within((event.clientY - area.top) / area.height), px: [event.clientX, event.clientY] };
}
const lowIn = (host, event) => { const { top, height } = host.getBoundingClientRect(); return event.clientY > top + 0.75 * height; };
const isDrag = (one, other) => Math.hypot(one.px[0] - other.px[0], one.px[1] - other.px[1]) > DRAG_PX;
for (const name of ["pointerdown", "pointermove", "pointerup", "pointercancel", "click", "dblclick"]) {
  document.addEventListener(name, (event) => {
    const layer = event.target.closest?.(".pins.is-placing");
    if (!layer || event.target.closest(".pin-hint")) return;
    event.stopPropagation();
    event.preventDefault();
    if (name === "pointerdown" && event.isPrimary && event.button === 0) { from = shareAt(event); layer.setPointerCapture(event.pointerId); }
    if (name === "pointercancel") from = null;
    if (name === "pointermove" && event.pointerType === "mouse") layer.classList.toggle("hint-up", lowIn(layer.parentElement, event));
    if (!from) return;
    const here = shareAt(event);
    if (name === "pointermove" && isDrag(from, here)) set(between(from, here));
    if (name !== "pointerup") return;
    const start = isDrag(from, here) ? from : corner;
    from = null;
    if (start) { set(between(start, here)); end(); say(`Pinned, ${words(draft())}`); return; }
    corner = here;
    set({ x: here.x, y: here.y });
    if (event.pointerType === "mouse") field("text").focus({ preventScroll: true }); // a keyboard on the screen would hide the picture
    say(`Pinned, ${words(draft())}. Once more makes it a box`);
  }, true);
}
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
document.addEventListener("keydown", (event) => {
  const pin = event.target.closest?.(".pin[data-draft]"), arrow = ARROWS[event.key];
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches?.("[data-note-form] textarea")) event.target.form.requestSubmit();
    return;
  }
  const offers = people() && !people().hidden;
  if (event.key === "Escape" && (placing || offers)) {
    event.stopPropagation();
    event.preventDefault();
    if (!offers) return end();
    offer([]);
    return field("text").focus();
  }
  if (!pin || !(arrow || event.key === "Enter" || event.key === "Delete")) return;
  event.stopPropagation();
  event.preventDefault();
  if (event.key === "Enter") return end();
  if (event.key === "Delete") { set(null); return end(); }
  const place = draft(), by = arrow.map((way) => (way * (event.repeat ? LONG_STEP : STEP)) / 100);
  if (event.shiftKey) set({ ...place, width: within((place.width ?? 0.02) + by[0], 1 - place.x), height: within((place.height ?? 0.02) + by[1], 1 - place.y) });
  else set({ ...place, x: within(place.x + by[0], 1 - (place.width ?? 0)), y: within(place.y + by[1], 1 - (place.height ?? 0)) });
  bring(pin.closest(".shot"), draft());
}, true);
document.addEventListener("keyup", (event) => { if (ARROWS[event.key] && event.target.matches?.(".pin[data-draft]")) say(words(draft())); });

// ---- a moment of the video ------------------------------------------------------------------------------------
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
function video() {
  const one = form() && field("item") && shownOption(), media = one && mediaOf(hostOf(one.dataset));
  return media?.matches("video") ? media : null;
}
function offerMoment() {
  const button = form() && $("[data-moment]", form()), media = button && video();
  if (!button) return;
  button.hidden = !media;
  if (media) $("[data-moment-at]", button).textContent = clock(media.currentTime);
}
for (const name of ["timeupdate", "seeked", "loadedmetadata"]) document.addEventListener(name, offerMoment, true);
document.addEventListener("loadedmetadata", drawMoments, true); // only now it is known how long it is

// ---- members to mention -----------------------------------------------------------------------------------------
const people = () => form() && $(".note-people", form());
const BEGUN = /(^|[^\w@])@([^@\n]{0,40})$/;
function begun() {
  const text = field("text");
  return text.value.slice(0, text.selectionStart).match(BEGUN)?.[2];
}
function offer(buttons) {
  people().replaceChildren(...buttons);
  people().hidden = !buttons.length;
}
function suggest() {
  const typed = begun()?.toLowerCase();
  if (typed === undefined) return offer([]);
  const all = [...document.getElementById("note-members").content.cloneNode(true).children];
  const fits = all.filter((one) => one.dataset.mention.toLowerCase().split(/\s+/).some((part, at, parts) => parts.slice(at).join(" ").startsWith(typed))).slice(0, 8);
  if (fits.length && people().hidden) say(fits.length === 1 ? "1 member to mention, press Tab" : `${fits.length} members to mention, press Tab`);
  return offer(fits);
}
function mention(name) {
  const text = field("text"), end = text.selectionStart, typed = begun();
  text.setRangeText(`@${name} `, typed === undefined ? end : end - typed.length - 1, end, "end");
  offer([]);
  text.focus();
}

// ---- what is pressed and typed ------------------------------------------------------------------------------------
function show(note) {
  areShown = true;
  const { slotOf, takeOf, atSeconds } = note.dataset;
  shown = note.id;
  $(`.film [data-item="${slotOf}"]`, open())?.click();
  $(`.panes[data-slot="${slotOf}"] a[data-version="${takeOf}"]`, open())?.click();
  const host = hostOf(note.dataset), media = mediaOf(host);
  if (!media) return say("That picture is not here any more");
  if (host.closest(".stage")?.dataset.view === "source") $("[data-act=source]", open())?.click();
  if (atSeconds !== undefined) seek(media, Number(atSeconds));
  draw();
  if (note.dataset.x) bring(host, placeOf(note.dataset));
  const bounds = host.getBoundingClientRect();
  if (bounds.top < 0 || bounds.bottom > innerHeight) host.scrollIntoView({ block: "center" });
  say(`Shown on ${slotOf}${takeOf}${atSeconds === undefined ? "" : ` at ${clock(atSeconds)}`}`);
}
function following(mark) { // of the notes that share a mark, the one after what is shown
  const all = mark.dataset.notes.split(" ").map((id) => document.getElementById(id));
  return all[(all.findIndex((note) => note.id === shown) + 1) % all.length];
}
function seek(media, seconds) {
  media.pause();
  if (media.readyState) media.currentTime = seconds;
  else { media.addEventListener("loadedmetadata", () => { media.currentTime = seconds; }, { once: true }); media.preload = "metadata"; media.load(); }
}

document.addEventListener("click", (event) => {
  const target = event.target, on = (selector) => target.closest(selector);
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (on("[data-pin]") && mediaOf(hostOf(on(".note").dataset))) { event.preventDefault(); show(on(".note")); }
  else if (on(".pin[data-note]")) { const note = document.getElementById(on(".pin").dataset.note); note.scrollIntoView({ block: "nearest" }); note.focus(); }
  else if (on(".moment")) { const note = following(on(".moment")); show(note); note.scrollIntoView({ block: "nearest" }); note.focus({ preventScroll: true }); }
  else if (on("[data-pins]")) { areShown = !areShown; draw(); }
  else if (on("[data-place]")) { if (placing) end(); else begin(event.detail === 0); }
  else if (on("[data-place-end]")) end();
  else if (on(".pin-hint")) on(".pins").classList.toggle("hint-up"); // what lies under it can be pinned too
  else if (on("[data-unpin]")) { field("at_seconds") && (field("at_seconds").value = ""); set(null); end(); say("Pin removed"); }
  else if (on("[data-moment]")) { about(shownOption()); field("at_seconds").value = video().currentTime.toFixed(1); drawDraft(); field("text").focus(); say(`Pinned to ${clock(video().currentTime)}`); }
  else if (on("[data-mention-open]")) { field("text").focus(); if (begun() === undefined) field("text").setRangeText(/\S$/.test(field("text").value.slice(0, field("text").selectionStart)) ? " @" : "@", field("text").selectionStart, field("text").selectionEnd, "end"); suggest(); }
  else if (on("[data-mention]")) mention(on("[data-mention]").dataset.mention);
});
document.addEventListener("input", (event) => {
  if (!event.target.closest("[data-note-form]")) return;
  if (event.target.matches("textarea")) suggest();
  else drawDraft();
});
document.addEventListener("focusin", (event) => { // a note on a carousel is about the item on the screen, until one says otherwise
  const text = event.target;
  if (!text.matches("[data-note-form] textarea") || text.value || text.form.dataset.begun || !$(".panes", open())) return;
  text.form.dataset.begun = "1";
  if (new Set($$("option[data-slot-of]", field("item") ?? text).map((one) => one.dataset.slotOf)).size > 1) about(shownOption());
});

// ---- parts that are swapped: never a note that is being written --------------------------------------------------------
const isBegun = (one) => one.matches(":focus-within") || $("textarea", one).value.trim() || numbers.some((name) => $(`[name=${name}]`, one)?.value);
let scrolled = null;
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail, old = $("[data-note-form]", target), fresh = fragment && $("[data-note-form]", fragment);
  if (target.matches(".side")) scrolled = { id: target.id, top: target.scrollTop };
  if (old && fresh && fresh.dataset.answers === undefined && isBegun(old)) fresh.setAttribute("hx-preserve", "true");
  if (old && fresh && fresh.dataset.answers !== undefined) { placing = corner = from = null; keep(old, fresh); }
});
document.addEventListener("htmx:oobAfterSwap", () => {
  const side = scrolled && document.getElementById(scrolled.id);
  if (side) side.scrollTop = scrolled.top;
  scrolled = null;
});
function keep(old, fresh) { // what was typed since it was sent, or beside a note that was taken back
  const typed = $("textarea", old).value, given = $("textarea", fresh);
  if (typed.trim() && typed !== old.dataset.sent) given.value = typed;
}
document.addEventListener("htmx:configRequest", (event) => { if (event.detail.elt.matches?.("[data-note-form]")) event.detail.elt.dataset.sent = $("textarea", event.detail.elt).value; });
function refresh() { $$("[data-mention-open]").forEach((button) => { button.hidden = !document.getElementById("note-members").content.childElementCount; }); offerMoment(); draw(); }
document.addEventListener("loupe:settled", refresh);
document.addEventListener("loupe:shown", refresh); // another post or item came forward
document.addEventListener("click", (event) => { if (event.target.closest("[data-item], a[data-version]")) { if (placing) end(false); offerMoment(); fitAll(); } });
document.addEventListener("loupe:key", () => setTimeout(() => { if (placing?.closest("[hidden]")) end(false); offerMoment(); fitAll(); }));
if (location.hash.startsWith("#n-")) { shown = location.hash.slice(1); document.getElementById(shown)?.scrollIntoView({ block: "nearest" }); }
refresh();
