// Runs in the page before anything of ours: notes what a person would see of each decision, and when.
(() => {
  const bench = { decisions: [], shifts: [], events: [] };
  Object.defineProperty(window, "bench", { value: bench });
  performance.setResourceTimingBufferSize(100_000); // of itself the browser keeps the first 250 fetches only
  const watch = (type, options, take) => {
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true, ...options });
  };
  watch("layout-shift", {}, (one) => bench.shifts.push({
    value: one.value, after_input: one.hadRecentInput, at: one.startTime,
    what: one.sources.map((source) => source.node?.nodeName + "." + (source.node?.className?.baseVal ?? source.node?.className)),
  }));
  watch("event", { durationThreshold: 16 }, (one) => bench.events.push({ name: one.name, duration: one.duration, at: one.startTime }));

  watch("element", {}, (one) => {
    const done = bench.decisions.findLast(({ to }) => to === one.identifier);
    if (done) done.shown = Math.max(done.shown ?? 0, one.renderTime);
  });

  const post = () => document.querySelector(".review-post:not([hidden])");
  const shown = (picture) => picture.checkVisibility() && !picture.matches(".flash");
  // The task after the next frame: by then the page has done its part of it, and it may be on the screen or not.
  const painted = (then) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => then(performance.now());
    channel.port2.postMessage(0);
  });
  const fetched = (address) => performance.getEntriesByName(new URL(address, location.href).href).some((one) => one.responseEnd);

  // Whether each picture that a post shows was there, and decoded, when the post came.
  function pictures(one, done) {
    const images = [...one.querySelectorAll(".stage img")].filter(shown);
    const films = [...one.querySelectorAll(".stage video")].filter((film) => film.checkVisibility());
    done.pictures = images.length + films.length;
    done.there = images.filter((image) => image.complete && image.naturalWidth).length
      + films.filter((film) => !film.poster || fetched(film.poster)).length;
    for (const one of [...images, ...films]) one.setAttribute("elementtiming", done.to); // when it is on the screen
    done.decoded = films.length;
    images.forEach((image) => image.decode().then(() => {
      if (done.next === undefined || performance.now() - done.next < 17) done.decoded += 1; // by the frame after
    }, () => {}));
  }

  let current = null;
  addEventListener("keydown", (event) => {
    if (!post() || event.repeat || event.key !== "a") return;
    performance.mark("key", { startTime: event.timeStamp });
    current = { post: post().dataset.post, key: event.timeStamp };
    bench.decisions.push(current);
  }, true);
  function look() {
    const one = current, now = post();
    if (!one || !now) return;
    if (one.mark === undefined && document.querySelector(`#p-${CSS.escape(one.post)} .shot .wax`)) {
      one.mark = null;
      painted((at) => { one.mark = at - one.key; performance.measure("mark", { start: one.key, end: at }); });
    }
    if (!one.to && now.dataset.post !== one.post) {
      one.to = now.dataset.post;
      pictures(now, one);
      painted((at) => { one.next = at; performance.measure("next", { start: one.key, end: at }); });
    }
  }
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["hidden"] });
})();
