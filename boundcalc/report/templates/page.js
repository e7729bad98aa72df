"use strict";
(() => {
  const tip = document.getElementById("tip");
  const all = (root, query) => Array.from(root.querySelectorAll(query));
  const groups = all(document, "tbody, dl, svg.chart");
  const means = new Map(all(document, "#means dt").map((one) => [one.textContent, one.nextElementSibling.textContent]));

  for (const group of groups) {
    const first = group.querySelector("[data-o]");
    if (first) first.tabIndex = 0;
  }

  function line(name, words) {
    const part = document.createElement(name);
    part.textContent = words;
    return part;
  }

  let current;

  function show(target) {
    current = target;
    const origin = document.getElementById(target.dataset.o);
    const said = target.getAttribute("aria-label");
    const words = ["status", "source", "remark"].map((kind) => origin.querySelector("." + kind)?.textContent);
    tip.replaceChildren();
    if (said) tip.append(line("span", said));
    tip.append(line("strong", "Status: " + words[0]), line("div", means.get(words[0])), line("div", "Source: " + words[1]));
    if (words[2]) tip.append(line("div", words[2]));
    const assumed = all(origin, "a").map((one) => document.getElementById(one.hash.slice(1)).textContent);
    if (assumed.length) tip.append(line("div", "Assumes: " + assumed.join("; ") + "."));
    tip.hidden = false;
    place(target.getBoundingClientRect());
    target.setAttribute("aria-describedby", "tip");
  }

  function place(box) {
    const size = tip.getBoundingClientRect();
    const width = document.documentElement.clientWidth;
    const left = Math.max(8, Math.min(box.left, width - size.width - 8));
    const below = box.bottom + 8;
    const top = below + size.height <= window.innerHeight ? below : Math.max(4, box.top - size.height - 12);
    tip.style.left = left + window.scrollX + "px";
    tip.style.top = top + window.scrollY + "px";
  }

  function hide() {
    tip.hidden = true;
    current = undefined;
    all(document, "[aria-describedby=tip]").forEach((one) => one.removeAttribute("aria-describedby"));
  }

  function swap(target) {
    hide();
    if (target) show(target);
  }

  const named = (event) => event.target.closest?.("[data-o]");
  let last = [0, 0];

  // Where the page scrolls under a mouse that rests, as it does for a key, the tooltip is not the mouse's.
  function moved(event) {
    const still = Math.hypot(event.clientX - last[0], event.clientY - last[1]) < 2;
    if (!still) last = [event.clientX, event.clientY];
    return !still && event.pointerType === "mouse" && !event.target.closest?.("#tip");
  }

  // Of marks that lie upon each other the one whose middle is nearest.
  function nearest(event) {
    const target = named(event);
    if (!target?.matches(".mark")) return target;
    const far = (one) => {
      const box = one.getBoundingClientRect();
      return Math.hypot(box.left + box.width / 2 - event.clientX, box.top + box.height / 2 - event.clientY);
    };
    return all(target.closest("svg.chart"), ".mark").reduce((best, one) => (far(one) <= far(best) ? one : best));
  }

  document.addEventListener("pointermove", (event) => {
    if (!moved(event)) return;
    const target = nearest(event);
    if (target !== current) swap(target);
  });
  document.addEventListener("focusin", (event) => swap(named(event)));
  document.addEventListener("click", (event) => swap(nearest(event)));

  function neighbour(target, key) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 };
    const row = target.closest("tbody tr");
    if (row && (key === "ArrowUp" || key === "ArrowDown")) {
      let next = row;
      while ((next = key === "ArrowDown" ? next.nextElementSibling : next.previousElementSibling)) {
        const cell = next.children[target.cellIndex];
        if (cell.dataset.o) return cell;
      }
      return null;
    }
    const others = all(target.closest("tbody, dl, svg.chart"), "[data-o]");
    return others[others.indexOf(target) + steps[key]];
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    const target = named(event);
    if (!target || !event.key.startsWith("Arrow") || !target.closest("tbody, dl, svg.chart")) return;
    const next = neighbour(target, event.key);
    event.preventDefault();
    if (!next) return;
    target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });

  const key = (row, column) => row.children[column].dataset.k;
  const words = (row, column) => row.children[column].textContent.trim();
  const known = (row, column) => key(row, column) !== undefined || !["", "-", "no value"].includes(words(row, column));

  function compare(a, b, column) {
    const [x, y] = [key(a, column), key(b, column)];
    if (x !== undefined && y !== undefined) return x - y;
    if (x !== undefined || y !== undefined) return x !== undefined ? -1 : 1;
    return words(a, column).localeCompare(words(b, column), "en", { numeric: true });
  }

  function sort(head) {
    const table = head.closest("table");
    const body = table.tBodies[0];
    const column = head.cellIndex;
    const up = head.getAttribute("aria-sort") !== "ascending";
    const rows = Array.from(body.rows);
    const filled = rows.filter((row) => known(row, column));
    const empty = rows.filter((row) => !known(row, column));
    filled.sort((a, b) => (up ? compare(a, b, column) : compare(b, a, column)));
    body.append(...filled, ...empty);
    all(table, "thead th").forEach((one) => one.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
  }

  all(document, "thead button").forEach((one) => one.addEventListener("click", () => sort(one.closest("th"))));
})();
