// Looking closely: one zoom for both panes, two versions side by side or under a wipe, frame by frame, full screen.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const say = (text) => document.dispatchEvent(new CustomEvent("loupe:say", { detail: text }));
const root = document.documentElement;
const STEP = 1.5, MOST = 8, MOVE = 0.1, FRAME = 1 / 30; // a tenth of the pane; what most videos have
const WAYS = { left: [1, 0], right: [-1, 0], up: [0, 1], down: [0, -1] };
const PICTURE = ":scope > :is(img:not(.flash, .unmade), video)";

const post = () => $(".review-post:not([hidden])");
const panes = () => $(".panes:not([hidden])", post());
const seen = (element) => element.checkVisibility?.() ?? true;
const shots = () => $$(".shot:not([hidden])", panes() ?? document.createElement("i")).filter(seen);
const videos = () => shots().map((shot) => $("video", shot)).filter(Boolean);
const mode = () => panes()?.dataset.compare;
const near = (one, other) => Math.abs(one - other) < 0.005;

// How this post is looked at, from item to item; the next one begins as it fits. Places are shares of the pane.
const begin = (id) => ({ id, zoom: 1, x: 0, y: 0, exact: false, edge: 50, bare: false });
let at = begin();

function actual() { // where a pixel of the picture is a pixel of the page
  const shot = shots().at(-1), picture = shot && $(PICTURE, shot);
  if (!picture) return 1;
  const width = picture.naturalWidth || picture.videoWidth || picture.width;
  const height = picture.naturalHeight || picture.videoHeight || picture.height;
  return Math.max(width / shot.clientWidth, height / shot.clientHeight) || 1;
}

function zoom(wanted, x = 0, y = 0) { // what lies at x, y stays there
  const to = Math.min(MOST, Math.max(Math.min(1, actual()), wanted)), by = to / at.zoom;
  at.zoom = to;
  at.exact = near(to, actual());
  place(x - (x - at.x) * by, y - (y - at.y) * by);
  wear();
}

function place(x, y) { // never beyond the edge
  const most = Math.max(0, (at.zoom - 1) / 2), within = (value) => Math.min(most, Math.max(-most, value));
  at.x = within(x);
  at.y = within(y);
  hang($(".stage", post()), at);
}

// ---- the stage as it is looked at, and its tools as the stage is ----------------------------------------
const press = (button, on) => button.setAttribute("aria-pressed", on);

function hang(stage, look) { // what stands already is left: to set it again costs the style of the whole stage
  stage.toggleAttribute("data-zoomed", !near(look.zoom, 1));
  stage.classList.toggle("is-bare", look.bare);
  for (const name of ["zoom", "x", "y", "edge"]) {
    if (stage.style.getPropertyValue(`--${name}`) !== `${look[name]}`) stage.style.setProperty(`--${name}`, look[name]);
  }
}

function wear() {
  const one = post();
  if (!one) return;
  if (at.id !== one.dataset.post) {
    at = begin(one.dataset.post);
    $$("[data-compare]").forEach(apart);
  }
  const pixel = actual(), found = shots(); // measured before anything is set
  hang($(".stage", one), at);
  const looking = $(".looking", one);
  if (!looking) return;
  const tool = (name) => $(`[data-look=${name}]`, looking);
  $("[data-zoom-at]", looking).textContent = `${Math.round((100 * at.zoom) / pixel)} %`;
  tool("out").setAttribute("aria-disabled", at.zoom <= Math.min(1, pixel) + 0.005);
  tool("in").setAttribute("aria-disabled", at.zoom >= MOST);
  for (const way of Object.keys(WAYS)) tool(way).setAttribute("aria-disabled", at.zoom <= 1);
  press(tool("fit"), near(at.zoom, 1));
  press(tool("actual"), near(at.zoom, pixel));
  press(tool("bare"), at.bare);
  tool("full").hidden = !document.fullscreenEnabled;
  for (const name of ["blur", "grey"]) {
    const on = root.dataset[name] === "on";
    for (const button of $$(`.looking [name=${name}]`)) { press(button, on); button.value = on ? "0" : "1"; }
  }
  for (const shot of found) { // what can be moved, or is shown by the focus, takes the focus
    if (at.zoom > 1 || root.dataset.blur === "on") {
      shot.tabIndex = 0;
      shot.setAttribute("role", "group");
      shot.setAttribute("aria-label", at.zoom > 1 ? "Picture, moved by the arrow keys" : "Picture");
    } else if (shot !== document.activeElement) shot.removeAttribute("tabindex");
  }
  lay();
}

// ---- two versions of an item ----------------------------------------------------------------------------
const takes = () => $$(".pane-made .shot", panes() ?? document.createElement("i")).filter((shot) => $(PICTURE, shot));
const chosen = () => $(".versions [aria-pressed=true]", panes())?.dataset.version;

function lay() { // the older one left, the newer one right; `at` follows what the server sends
  const looking = $(".looking", post()), select = $("[data-pair]", looking), found = takes().map((shot) => shot.dataset.take);
  const pairs = found.flatMap((older, place) => found.slice(place + 1).map((newer) => `${older} | ${newer}`));
  const slot = panes()?.dataset.slot, known = `${slot} ${pairs}`;
  if (select.dataset.known !== known) {
    const kept = select.dataset.known?.startsWith(`${slot} `) && mode() && select.value;
    select.replaceChildren(...pairs.map((pair) => new Option(pair, pair)));
    const newest = Math.max(1, found.indexOf(chosen()));
    select.value = pairs.includes(kept) ? kept : `${found[newest - 1]} | ${found[newest]}`;
    select.dataset.known = known;
  }
  if (mode() && !pairs.length) apart(panes());
  for (const name of ["side", "wipe"]) {
    const button = $(`[data-look=${name}]`, looking);
    press(button, mode() === name);
    button.disabled = !pairs.length;
  }
  const edge = $("[data-edge]", looking);
  edge.value = at.edge;
  edge.classList.toggle("is-idle", mode() !== "wipe");
  if (!mode()) return;
  const [older, newer] = select.value.split(" | ");
  for (const shot of $$(".pane-made .shot", panes())) {
    const { take } = shot.dataset;
    shot.hidden = take !== older && take !== newer;
    shot.classList.toggle("is-older", take === older);
    shot.classList.toggle("is-newer", take === newer);
  }
}

function apart(here) { // one version again: the one that was chosen
  delete here.dataset.compare;
  const letter = $(".versions [aria-pressed=true]", here)?.dataset.version;
  for (const shot of $$(".pane-made .shot", here)) {
    shot.classList.remove("is-older", "is-newer");
    if (letter) shot.hidden = shot.dataset.take !== letter;
  }
}

function compare(how) {
  const here = panes();
  videos().forEach((video) => video.pause());
  if (mode() === how) { apart(here); say("One version"); } else {
    here.dataset.compare = how;
    lay();
    const [older, newer] = $("[data-pair]", post()).value.split(" | ");
    say(`Version ${older} left, version ${newer} right`);
    together();
  }
  wear();
}

const together = (time = videos().at(-1)?.currentTime) => {
  for (const video of videos()) video.currentTime = Math.max(0, Math.min(time, video.duration || 0));
};

// ---- the tools --------------------------------------------------------------------------------------------
function step(by) {
  const all = videos(), main = all.at(-1);
  if (!main) return;
  all.forEach((video) => video.pause());
  together(Math.max(0, main.currentTime + by * FRAME));
}

const told = () => say(`${$("[data-zoom-at]", post()).textContent}`);
const tools = {
  in: () => { zoom(at.zoom * STEP); told(); },
  out: () => { zoom(near(at.zoom, 1) ? 1 : at.zoom / STEP); told(); },
  fit: () => { zoom(1); told(); },
  actual: () => { zoom(actual()); told(); },
  side: () => compare("side"),
  wipe: () => compare("wipe"),
  before: () => step(-1),
  after: () => step(1),
  bare: () => { at.bare = !at.bare; wear(); say(at.bare ? "Shown sharp until the next post" : "Blurred"); },
  full() { // the whole desk but what stands beside the picture, so that the next post and the hold are in it too
    if (document.fullscreenElement) document.exitFullscreen();
    else $(".review").requestFullscreen().catch(() => say("This browser does not allow full screen"));
  },
};
for (const [name, [x, y]] of Object.entries(WAYS)) tools[name] = () => place(at.x + x * MOVE, at.y + y * MOVE);

document.addEventListener("click", (event) => {
  const tool = event.target.closest("[data-look]");
  if (tool && tool.getAttribute("aria-disabled") !== "true") tools[tool.dataset.look]();
  if (event.target.closest("a[data-version]") && mode()) { apart(panes()); wear(); }
});
document.addEventListener("loupe:key", (event) => { if ("[]".includes(event.detail.key) && mode()) { apart(panes()); wear(); } });
document.addEventListener("input", (event) => {
  if (event.target.matches("[data-edge]")) { at.edge = Number(event.target.value); wear(); }
});
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-pair]")) return;
  if (!mode()) panes().dataset.compare = "side";
  wear();
});
document.addEventListener("loupe:pressed", (event) => { // blur and grey: shown before any answer
  const { name, value } = event.target;
  if (!["blur", "grey"].includes(name)) return;
  root.dataset[name] = value === "1" ? "on" : "off";
  at.bare = false;
  wear();
});

// ---- by hand and by key -------------------------------------------------------------------------------------
const share = (event, shot) => { // where it happened, from the middle
  const box = shot.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width - 0.5, (event.clientY - box.top) / box.height - 0.5];
};
$(".review").addEventListener("wheel", (event) => { // with the control key; pinching on a pad says so too
  const shot = event.target.closest(".stage .shot");
  if (!event.ctrlKey || !shot) return;
  event.preventDefault();
  zoom(at.zoom * Math.exp(Math.max(-60, Math.min(60, -event.deltaY)) * 0.008), ...share(event, shot));
}, { passive: false });

let grip = null;
document.addEventListener("pointerdown", (event) => {
  const shot = event.target.closest(".stage .shot");
  if (!shot || at.zoom <= 1 || event.button || !event.isPrimary || event.defaultPrevented || event.target.closest("button, a, input, .player")) return;
  shot.setPointerCapture(event.pointerId);
  grip = { shot, x: event.clientX, y: event.clientY };
});
document.addEventListener("pointermove", (event) => {
  if (!grip) return;
  place(at.x + (event.clientX - grip.x) / grip.shot.clientWidth, at.y + (event.clientY - grip.y) / grip.shot.clientHeight);
  Object.assign(grip, { x: event.clientX, y: event.clientY });
});
for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, () => { grip = null; });
document.addEventListener("dragstart", (event) => { if (event.target.closest(".stage .shot")) event.preventDefault(); });

document.addEventListener("loupe:bring", ({ detail: [x, y] }) => { // a place beyond the pane comes to its middle
  if (Math.max(Math.abs(x), Math.abs(y)) > 0.5) place(at.x - x, at.y - y);
});
document.addEventListener("keydown", (event) => { // before any other key: these belong to what has the focus
  if (event.key === "Escape" && document.fullscreenElement && !$("dialog[open]")) {
    event.stopImmediatePropagation();
    document.exitFullscreen();
    return;
  }
  const way = event.key.startsWith("Arrow") && event.key.slice(5).toLowerCase();
  if (!way || at.zoom <= 1 || !event.target.matches(".stage .shot") || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  tools[way]();
}, true);

for (const name of ["loupe:shown", "loupe:settled", "fullscreenchange"]) document.addEventListener(name, wear);
for (const name of ["load", "loadedmetadata"]) {
  document.addEventListener(name, (event) => { if (event.target.closest?.(".shot") && !event.target.closest("[hidden]")) wear(); }, true);
}
addEventListener("resize", () => { if (at.exact) zoom(actual()); else wear(); }); // one for one stays so
wear();
