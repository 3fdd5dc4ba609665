// Values under the pointer, frames that scroll sideways, and the section that one is in. All of it is optional:
// without scripts the browser shows <title> itself, and frames scroll all the same.
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);
for (const title of document.querySelectorAll("svg title")) {
  title.parentNode.dataset.tip = title.textContent;
  title.remove();
}
for (const cell of document.querySelectorAll(".cell[title]")) {
  cell.dataset.tip = cell.title;
  cell.setAttribute("aria-label", cell.title);
  cell.removeAttribute("title");
}
const show = (event) => {
  const mark = event.target.closest?.("[data-tip]");
  tip.hidden = !mark;
  if (!mark) return;
  tip.textContent = mark.dataset.tip.replaceAll("; ", "\n");
  const box = mark.getBoundingClientRect();
  const x = event.type === "focusin" ? box.left + box.width / 2 : event.clientX;
  const y = event.type === "focusin" ? box.bottom : event.clientY;
  tip.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${y + 16 + tip.offsetHeight > innerHeight ? y - tip.offsetHeight - 10 : y + 16}px`;
};
for (const kind of ["pointerover", "pointermove", "focusin"]) document.addEventListener(kind, show);
for (const kind of ["focusout", "scroll"]) document.addEventListener(kind, () => (tip.hidden = true), true);
addEventListener("keydown", (event) => event.key === "Escape" && (tip.hidden = true));

const fit = (frame) => {
  const over = frame.scrollWidth > frame.clientWidth + 1;
  frame.classList.toggle("over", over);
  if (!over) return ["tabindex", "role", "aria-label"].forEach((name) => frame.removeAttribute(name));
  const section = frame.closest("section")?.querySelector("h2")?.textContent ?? "";
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", `${section}, scrolls sideways`);
  if (frame.classList.contains("newest") && !frame.scrollLeft) frame.scrollLeft = frame.scrollWidth;
};
const frames = new ResizeObserver((entries) => entries.forEach((entry) => fit(entry.target)));
for (const frame of document.querySelectorAll(".wide")) frames.observe(frame);

const links = new Map([...document.querySelectorAll("nav a[href^='#']")].map((a) => [a.hash.slice(1), a]));
const visible = new Set();
const sections = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) visible[entry.isIntersecting ? "add" : "delete"](entry.target.id);
    const current = [...links.keys()].find((id) => visible.has(id));
    for (const [id, link] of links) {
      if (id !== current) link.removeAttribute("aria-current");
      else if (!link.hasAttribute("aria-current")) {
        link.setAttribute("aria-current", "true");
        const nav = link.closest("nav");
        nav.scrollTo({ left: link.offsetLeft - nav.clientWidth / 2 + link.offsetWidth / 2 });
      }
    }
  },
  { rootMargin: "-56px 0px -55% 0px" },
);
for (const id of links.keys()) sections.observe(document.getElementById(id));

addEventListener("beforeprint", () =>
  document.querySelectorAll("details").forEach((d) => (d.open = d.querySelector("pre, .long") === null)),
);
