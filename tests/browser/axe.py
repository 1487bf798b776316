"""axe-core on a page as it stands: in light and dark, at three widths."""

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Locator, Page

from tests.browser.conftest import DESKTOP, PHONE, TABLET, Visitor, until

# A theme and a width move things and colour them; all other rules see the same elements in both themes.
COLOURS = ["color-contrast", "link-in-text-block"]
# Contrast is most of axe's work. What was seen on this page in the same colours, at another width, is not
# measured again: the colours that count are the element's own, its size class and the first ground below it.
VIOLATIONS = """async ([theme, colours, others]) => {
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));  // colours settle
    const told = found => found.violations.flatMap(
        rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 240)} ${node.failureSummary}`));
    const look = (where, options) => axe.run(
        where, {resultTypes: ["violations"], preload: false, ...options}).then(told);
    const clear = "rgba(0, 0, 0, 0)";
    const coloured = element => {
        const style = getComputedStyle(element), size = parseFloat(style.fontSize);
        let ground = "", faint = 1;
        for (let one = element; one; one = one.parentElement) {
            const {backgroundColor, backgroundImage, opacity} = getComputedStyle(one);
            faint *= opacity;
            if (!ground && (backgroundColor !== clear || backgroundImage !== "none"))
                ground = backgroundColor + backgroundImage;
        }
        const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
        return [style.color, ground, faint, isLarge, style.textDecorationLine].join();
    };
    const without = Object.fromEntries(colours.map(id => [id, {enabled: false}]));
    const found = others ? await look(document, {rules: without}) : [];
    const seen = (window.seenColours ??= {})[theme] ??= new WeakMap();
    const fresh = [], spoken = [];
    for (const element of document.querySelectorAll("body *")) {
        const speaks = element.matches("input, select, textarea")
            || [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        if (!speaks || !element.checkVisibility({visibilityProperty: true})) continue;
        const colour = coloured(element);
        spoken.push(element);
        if (seen.get(element) !== colour) fresh.push(element);
        seen.set(element, colour);
    }
    if (fresh.length)
        found.push(...await look(
            fresh.length === spoken.length ? document : {include: fresh}, {runOnly: colours}));
    return found;
}"""
WIDER = """() => {
    const {scrollWidth, clientWidth} = document.scrollingElement;
    if (scrollWidth <= clientWidth) return [];
    const out = [...document.querySelectorAll("main *, body > *, .main > *")]
        .filter(one => one.getBoundingClientRect().right > clientWidth + 1);
    return [`${scrollWidth} wide: ${out.slice(0, 3).map(one => one.outerHTML.slice(0, 160)).join(" | ")}`];
}"""


def box_of(part: Locator) -> dict:
    """Where it lies, also if it is drawn anew just now."""
    found = []
    until(lambda: found.append(part.bounding_box()) or found[-1])
    return found[-1]


def out_of_reach(page: Page, *parts: Locator) -> list[str]:
    """What lies beside the window, or is too small to be hit."""
    wide, found = page.viewport_size["width"], page.evaluate(WIDER)
    for part in [one for some in parts for one in some.all()]:
        part.evaluate("one => one.scrollIntoView({ block: 'nearest' })")  # also if it is drawn anew just now
        box = box_of(part)
        if box["x"] < 0 or box["x"] + box["width"] > wide or min(box["width"], box["height"]) < 24:
            found.append(f"{part.evaluate('one => one.outerHTML.slice(0, 160)')} {box}")
    return found


def has_edge(part: Locator) -> bool:
    """Its outline can be seen where a browser draws neither grounds nor shadows."""
    return part.evaluate("""one => {
        const { borderTopStyle, borderTopWidth } = getComputedStyle(one);
        return borderTopStyle !== "none" && parseFloat(borderTopWidth) >= 1;
    }""")


class Eyes:
    """Look at the pages of a visitor who has opened none yet, and note what axe finds on them."""

    def __init__(self, visitor: Visitor):
        self.visitor, self.page = visitor, visitor.page
        self.found: list[str] = []
        visitor.context.add_init_script(AXE_SCRIPT)

    def look(self, state: str = "") -> None:
        """The page as it stands, in both themes and at every width."""
        for size in (PHONE, TABLET, DESKTOP):
            self.page.set_viewport_size({"width": size[0], "height": size[1]})
            for scheme in ("dark", "light"):
                self.page.emulate_media(color_scheme=scheme)
                problems = self.page.evaluate(VIOLATIONS, [scheme, COLOURS, scheme == "light"])
                if scheme == "light" and size == PHONE:
                    problems += self.page.evaluate(WIDER)
                where = f"{self.page.url.removeprefix(self.visitor.loupe.address)} {state}"
                self.found += [f"{where} [{size[0]} {scheme}] {problem}" for problem in problems]
