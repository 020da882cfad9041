// After a form was checked while it is typed: says to screen readers which fields are wrong.
document.addEventListener("htmx:afterRequest", () => {
  for (const field of document.querySelectorAll("form :is(input, select)[aria-describedby]")) {
    const own = document.getElementById(`faults-${field.id}`);
    if (own) field.toggleAttribute("aria-invalid", false);
    if (own?.querySelector(".fault")) field.setAttribute("aria-invalid", "true");
  }
});

// A part of a page that is refreshed keeps the visitor's place: the scrolled offsets of what it replaces.
const places = new Map();
document.addEventListener("htmx:beforeSwap", () => {
  for (const box of document.querySelectorAll(".table[id], .log[id]")) {
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 8;
    places.set(box.id, [box.scrollLeft, atEnd ? Infinity : box.scrollTop]);
  }
});
document.addEventListener("htmx:afterSwap", () => {
  for (const [id, [left, top]] of places) {
    const box = document.getElementById(id);
    if (box) box.scrollTo(left, Math.min(top, box.scrollHeight));
  }
});
for (const log of document.querySelectorAll("#log-lines")) log.scrollTop = log.scrollHeight;
