"use strict";
// Draws every chart of the page as wide as its place lets it, again when that width changes; lets tables be
// sorted by a heading, and long ones searched.
(() => {
  const specs = JSON.parse(document.getElementById("specs").textContent);
  const options = {
    mode: "vega-lite", renderer: "svg", ast: true, actions: false, defaultStyle: false,
    tooltip: { disableDefaultStyle: true }, logLevel: 1,
  };

  // The spec at this width. `slack`: pixels that the labels leave over (or lack) in a first drawing.
  function fitted(spec, width, slack) {
    const fit = structuredClone(spec);
    const hint = fit.usermeta;
    fit.background = "transparent";
    fit.padding = { left: 0, top: 2, right: 6, bottom: 5 };
    if (!hint) { // not of this house: only a single view can be told its width
      const { row, column, facet } = fit.encoding || {};
      if ((fit.mark || fit.layer) && !(row || column || facet)) fit.width = Math.max(80, width + slack - 60);
      return fit;
    }
    fit.config.legend.columns = Math.max(1, Math.floor(width / 130));
    const room = Math.min(width, hint.most || Infinity);
    if (fit.facet) {
      const beside = 60;
      const wraps = typeof fit.columns === "number";
      const fits = Math.floor((room - beside + hint.gap) / (hint.least + hint.gap));
      const n = wraps ? Math.max(1, Math.min(hint.cells, fits)) : hint.cells;
      if (wraps) fit.columns = n;
      fit.spec.width = Math.max(40, Math.floor((room - beside - (n - 1) * hint.gap + slack) / n));
      if (hint.square) fit.spec.height = fit.spec.width;
      fit.config.header.labelLimit = fit.spec.width;
    } else {
      fit.width = Math.max(hint.least || 80, room + slack - 60);
    }
    return fit;
  }

  async function draw(place) {
    const spec = specs[place.dataset.chart];
    const width = Math.floor(place.clientWidth);
    if (!width || place.dataset.width === String(width)) return;
    place.dataset.width = String(width);
    const goal = Math.min(width, (spec.usermeta || {}).most || Infinity);
    let slack = 0;
    for (let turn = 0; turn < 2; turn += 1) {
      if (place.view) place.view.finalize();
      const result = await vegaEmbed(place, fitted(spec, width, slack), options);
      place.view = result.view;
      const svg = place.querySelector("svg");
      slack = goal - 1 - Math.ceil(svg.viewBox.baseVal.width);
      if (slack >= 0 && slack < 6) break;
    }
    // What cannot be made narrower scrolls in its place.
    const wide = !spec.facet && (spec.usermeta || {}).least && slack < -2;
    place.classList.toggle("wide", Boolean(wide));
    if (wide) place.tabIndex = 0; else place.removeAttribute("tabindex");
    place.dataset.drawn = "yes";
  }

  function refused(place, failure) {
    place.dataset.drawn = "no";
    place.textContent = "This chart could not be drawn; its picture is in figures/.";
    console.error(failure);
  }

  const waiting = new Map();
  const watch = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      clearTimeout(waiting.get(target));
      waiting.set(target, setTimeout(() => draw(target).catch((failure) => refused(target, failure)), 60));
    }
  });
  document.querySelectorAll("[data-chart]").forEach((place) => watch.observe(place));

  // What a cell is sorted by: a number where it is one, its text, or nothing.
  function value(cell) {
    const text = cell.textContent.replace(/†|\s*\[[^\]]*\], n \d+/g, "").trim();
    const number = Number(text.replace("\u2212", "-").replace("∞", "Infinity"));
    return /^[—–]?$/.test(text) ? null : Number.isNaN(number) ? text : number;
  }

  function order(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return typeof a === typeof b ? a.localeCompare(b) : typeof a === "number" ? -1 : 1;
  }

  function sort(head, column, body) {
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const lines = [...body.rows].map((row) => [value(row.cells[column]), row]);
    const told = lines.filter(([a]) => a !== null).sort(([a], [b]) => sign * order(a, b));
    body.append(...[...told, ...lines.filter(([a]) => a === null)].map(([, row]) => row));
  }

  function searched(table, body) {
    const label = document.createElement("label");
    const field = document.createElement("input");
    field.type = "search";
    label.className = "filter";
    label.append("Lines that hold ", field);
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/);
      for (const row of body.rows) {
        const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
    });
    table.closest(".scroll").before(label);
  }

  for (const table of document.querySelectorAll(".scroll > table")) {
    const heads = table.tHead && table.tHead.rows.length === 1 ? [...table.tHead.rows[0].cells] : [];
    const [body, another] = table.tBodies;
    const cells = body ? [...body.rows].flatMap((row) => [...row.cells]) : [];
    const plain = [...heads, ...cells].every((cell) => cell.colSpan === 1 && cell.rowSpan === 1);
    if (!plain || another || cells.length !== heads.length * body.rows.length || body.rows.length < 3) continue;
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(head, column, body));
    });
    if (body.rows.length >= 12) searched(table, body);
  }

  // On paper nothing can be unfolded.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    opened.forEach((part) => { part.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((part) => { part.open = false; }));
})();
