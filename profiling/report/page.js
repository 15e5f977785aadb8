// The script of the page that `python profiling report` writes: tabs, sorting, light or dark, the raw results.
"use strict";

const tabs = [...document.querySelectorAll('[role="tab"]')];
const panels = tabs.map((tab) => document.getElementById(tab.getAttribute("aria-controls")));

function open(chosen, focus) {
  tabs.forEach((tab, number) => {
    const is = tab === chosen;
    tab.setAttribute("aria-selected", String(is));
    tab.tabIndex = is ? 0 : -1;
    panels[number].hidden = !is;
  });
  if (focus) chosen.focus();
  scrollTo({ top: 0 });
}

tabs.forEach((tab, number) => {
  tab.addEventListener("click", () => {
    open(tab, false);
    history.replaceState(null, "", "#" + tab.getAttribute("aria-controls"));
  });
  tab.addEventListener("keydown", (event) => {
    const to = { ArrowRight: number + 1, ArrowLeft: number - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    open(tabs[(to + tabs.length) % tabs.length], true);
  });
});
document.querySelector('[role="tablist"]').hidden = false;
open(tabs.find((tab) => "#" + tab.getAttribute("aria-controls") === location.hash) || tabs[0], false);

// A cell's first number, so that "1,234 ns", "-12 % (..)" and "×2" sort as such; words sort as words, dashes last.
function keyOf(cell) {
  const text = cell.textContent.trim().replace(/,(?=\d{3})/g, "");
  const found = text.replace("−", "-").match(/^[^\d-]{0,2}(-?\d+(?:\.\d+)?)/);
  return { text, number: found ? Number(found[1]) : NaN, empty: text === "" || text === "-" || text === "–" };
}

function compare(a, b) {
  if (a.empty || b.empty) return a.empty - b.empty;
  if (!Number.isNaN(a.number) && !Number.isNaN(b.number)) return a.number - b.number;
  return a.text.localeCompare(b.text, "en", { numeric: true });
}

for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    if (!button.textContent) button.setAttribute("aria-label", "sort by the first column");
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows].map((row) => ({ row, key: keyOf(row.cells[column]) }));
      rows.sort((a, b) => (down && !a.key.empty && !b.key.empty ? -compare(a.key, b.key) : compare(a.key, b.key)));
      table.tBodies[0].append(...rows.map((each) => each.row));
    });
  });
}

const theme = document.getElementById("theme");
const system = matchMedia("(prefers-color-scheme: dark)");
function isDark() {
  const set = document.documentElement.dataset.theme;
  return set ? set === "dark" : system.matches;
}
function label() {
  theme.textContent = isDark() ? "Light page" : "Dark page";
}
theme.hidden = false;
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  label();
});
system.addEventListener("change", label);
label();

for (const details of document.querySelectorAll("details.raw")) {
  const button = details.querySelector("button");
  const text = () => JSON.stringify(JSON.parse(document.getElementById("raw-" + button.dataset.save).textContent), null, 1);
  details.addEventListener("toggle", () => {
    const pre = details.querySelector("pre");
    if (details.open && !pre.textContent) pre.textContent = text();
  });
  button.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text() + "\n"], { type: "application/json" }));
    link.download = button.dataset.file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}
