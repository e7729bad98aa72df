// What the browser tests measure. Every function returns plain values.
const box = (node) => node.getBoundingClientRect();
const clip = (text) => text.trim().replace(/\s+/g, " ").slice(0, 60);
const called = (node) => `${node.tagName}.${node.getAttribute("class") || ""} "${clip(node.textContent)}"`;
const meet = (a, b, by) => a.left + by < b.right && b.left + by < a.right && a.top + by < b.bottom && b.top + by < a.bottom;
const all = (query, root = document) => Array.from(root.querySelectorAll(query));
const shown = (node) => box(node).width > 0 && getComputedStyle(node).visibility !== "hidden";

// Elements that have letters of their own and are seen.
function written() {
  const own = (node) => Array.from(node.childNodes).some((one) => one.nodeType === 3 && one.data.trim());
  return all("body *").filter((node) => own(node) && shown(node) && !node.matches("script, style, caption, .skip"));
}

function overflow() {
  const root = document.documentElement;
  const width = root.clientWidth;
  const out = (node) => box(node).right > width + 1 || box(node).left < -1;
  const found = written().concat(all("svg")).filter((node) => !node.closest(".scroll") && out(node)).map(called);
  if (root.scrollWidth > width) found.push(`document ${root.scrollWidth} > ${width}`);
  return found;
}

function overlaps() {
  const found = [];
  for (const picture of all("svg.chart")) {
    const texts = all("text", picture);
    const marks = all(".mark use", picture);
    texts.forEach((one, index) => {
      for (const other of texts.slice(index + 1))
        if (meet(box(one), box(other), 1)) found.push(`${called(one)} / ${called(other)} in ${picture.getAttribute("aria-label")}`);
      for (const mark of marks)
        if (meet(box(one), box(mark), 2)) found.push(`${called(one)} / mark in ${picture.getAttribute("aria-label")}`);
    });
    const card = box(picture.closest("figure"));
    for (const one of [...texts, ...marks])
      if (box(one).left < card.left || box(one).right > card.right) found.push(`${called(one)} outside its figure`);
  }
  return found;
}

function headings() {
  return all("h1, h2, h3, h4, h5, h6").map((node) => [Number(node.tagName[1]), node.textContent.trim()]);
}

function colour(words) {
  const found = words.match(/[\d.]+/g);
  if (words.startsWith("color(")) throw new Error(words);
  return found ? found.map(Number).concat(found.length === 3 ? [1] : []) : [0, 0, 0, 0];
}

const over = (top, under) => [0, 1, 2].map((k) => top[k] * top[3] + under[k] * (1 - top[3])).concat([1]);

function background(node) {
  const layers = [];
  for (let one = node; one; one = one.parentElement) layers.push(colour(getComputedStyle(one).backgroundColor));
  let found = layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  return found;
}

function luminance(rgb) {
  const [r, g, b] = rgb.slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function ratio(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

// Text below the contrast, and marks and lines below 3.
function pale(least) {
  const found = [];
  for (const node of written()) {
    const style = getComputedStyle(node);
    const under = background(node);
    const own = over(colour(node.closest("svg") ? style.fill : style.color), under);
    if (ratio(own, under) < least) found.push(`${called(node)} ${ratio(own, under).toFixed(2)}`);
  }
  for (const node of all(".mark use")) {
    const under = background(node);
    const own = over(colour(getComputedStyle(node).stroke), under);
    if (ratio(own, under) < 3) found.push(`${called(node.closest("svg"))} ${ratio(own, under).toFixed(2)}`);
  }
  return [...new Set(found)];
}

function tooltip() {
  const tip = document.getElementById("tip");
  const at = box(tip);
  const inside = at.left >= 0 && at.top >= 0 && at.right <= document.documentElement.clientWidth && at.bottom <= window.innerHeight;
  return { shown: !tip.hidden && at.height > 0, inside, text: tip.innerText, at: [at.left, at.top, at.right, at.bottom] };
}

function column(table, name) {
  const heads = all("thead th", table);
  const index = heads.findIndex((head) => head.textContent.trim() === name);
  const rows = Array.from(table.tBodies[0].rows);
  return { index, sorted: heads[index].getAttribute("aria-sort"), keys: rows.map((row) => row.children[index].dataset.k ?? null) };
}

// Numbers that are broken over lines; a path may be.
function broken() {
  const lines = (node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    return new Set(Array.from(range.getClientRects(), (one) => Math.round(one.top))).size;
  };
  return all("tbody td:not(.path)").filter((one) => !/\s/.test(one.textContent.trim()) && lines(one) > 1).map(called);
}

// Tables that are cut, parts that are not printed.
function cut() {
  const tables = all(".scroll").filter((one) => one.scrollWidth > one.clientWidth + 1 || getComputedStyle(one).overflowX !== "visible");
  const parts = all("main section, main h2, figure, figure svg, table, tbody td, dd, figcaption, #sources li").filter((one) => !shown(one));
  return [...tables.map(called), ...parts.map(called)];
}

// Every element that gets the focus, once, and whether that is seen.
function watch() {
  const before = new Set();
  window.reached = [];
  document.addEventListener("focusin", ({ target }) => {
    const ring = getComputedStyle(target).outlineStyle;
    if (!before.has(target)) window.reached.push([called(target), target.matches(":focus-visible") && ring !== "none"]);
    before.add(target);
  });
}
