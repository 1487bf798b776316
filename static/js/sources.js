// The price of what is picked, before the question is asked; and the price of a link as the chosen persona.
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const $ = (selector, root = document) => root.querySelector(selector);

function sum() {
  const bar = $("[data-bill]"), picked = $$(".frame-pick :checked");
  if (!bar || !picked.length) return;
  const cents = picked.map((box) => box.dataset.cents), known = cents.every((one) => one !== "");
  const total = cents.reduce((all, one) => all + Number(one), 0);
  const about = picked.some((box) => box.dataset.about !== undefined) ? "about " : "";
  const most = Number(bar.dataset.most), tooMany = picked.length > most;
  const items = picked.reduce((all, box) => all + Number(box.dataset.items), 0);
  const button = $("[data-bill-go]", bar), cost = $("[data-bill-cost]", bar);
  $("[data-bill-parts]", bar).textContent = tooMany ? `${most} at once at most` : `${items} ${items === 1 ? "item" : "items"}`;
  $("[data-bill-words]", bar).textContent = `Generate ${picked.length} ${picked.length === 1 ? "post" : "posts"}`;
  cost.textContent = known ? `${about}$${(total / 100).toFixed(2)}` : "cost shown next";
  cost.hidden = false;
  button.disabled = tooMany;
}
document.addEventListener("change", (event) => { if (event.target.closest(".frame-pick")) sum(); });
document.addEventListener("htmx:afterSettle", sum);

document.addEventListener("loupe:generated", () => {
  for (const box of $$(".frame-pick :checked")) box.checked = false;
});

function price(select) {
  const place = $(select.dataset.costs), option = select.selectedOptions[0];
  if (place && option) place.textContent = option.dataset.cost;
}
document.addEventListener("change", (event) => { if (event.target.matches("[data-costs]")) price(event.target); });
$$("[data-costs]").forEach(price); // a browser may restore what was chosen
