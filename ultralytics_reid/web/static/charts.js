"use strict";
/* Draws the charts when their part of the page has come. Tooltips are drawn on the canvas: as HTML they would bring
   inline styles, which the content policy refuses. */
(() => {
  const drawn = new Map();
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const palette = ["#4c8fd6", "#d9822b", "#3ba272", "#c06fb5", "#c9a227", "#5ab3c9", "#e0666a", "#8a7bd1"];

  const base = () => ({
    color: palette,
    backgroundColor: color("--paper"),
    textStyle: { color: color("--ink"), fontFamily: "system-ui, sans-serif" },
    animation: !matchMedia("(prefers-reduced-motion: reduce)").matches && !navigator.webdriver,
    tooltip: { renderMode: "richText", backgroundColor: color("--raised"), borderColor: color("--line"), textStyle: { color: color("--ink") } },
  });
  const axis = () => ({ axisLabel: { color: color("--faint"), hideOverlap: true }, axisLine: { lineStyle: { color: color("--line") } }, splitLine: { lineStyle: { color: color("--line") } } });
  const grid = { left: 8, right: 16, top: 24, bottom: 8, containLabel: true };

  const options = {
    sankey: (data) => ({
      ...base(),
      tooltip: { ...base().tooltip, trigger: "item" },
      series: [{ type: "sankey", data: data.nodes, links: data.links, left: 8, right: 130, top: 16, bottom: 16, nodeGap: 14, draggable: false,
        label: { color: color("--ink"), width: 120, overflow: "truncate" }, lineStyle: { color: "gradient", opacity: 0.45 }, emphasis: { focus: "adjacency" } }],
    }),
    visitors: (data) => ({
      ...base(), grid, xAxis: { type: "category", data: data.times, ...axis() }, yAxis: { type: "value", minInterval: 1, name: "people", nameTextStyle: { color: color("--faint") }, ...axis() },
      series: [{ type: "bar", data: data.people, barMaxWidth: 40, itemStyle: { color: palette[0] } }], tooltip: { ...base().tooltip, trigger: "axis" },
    }),
    dwell: (data) => ({
      ...base(), grid, yAxis: { type: "category", data: data.cameras, inverse: true, ...axis(), axisLabel: { ...axis().axisLabel, width: 140, overflow: "truncate" } }, xAxis: { type: "value", name: "s", nameTextStyle: { color: color("--faint") }, ...axis() },
      series: [{ type: "bar", data: data.medians.map((s) => Math.round(10 * s) / 10), barMaxWidth: 28, itemStyle: { color: palette[2] } }], tooltip: { ...base().tooltip, trigger: "axis" },
    }),
  };

  const draw = () => {
    const held = document.getElementById("chart-data");
    if (!held) return;
    const data = JSON.parse(held.textContent);
    for (const [id, make] of Object.entries(options)) {
      const place = document.getElementById(id);
      if (!place || !place.clientWidth) continue;
      if (drawn.has(id) && drawn.get(id).getDom() !== place) { drawn.get(id).dispose(); drawn.delete(id); }
      if (!drawn.has(id)) drawn.set(id, echarts.init(place, null, { renderer: "canvas" }));
      drawn.get(id).setOption(make(data[id]), true);
      place.dataset.drawn = "yes";
    }
  };

  document.addEventListener("htmx:after:swap", draw);
  new MutationObserver(() => { const place = document.getElementById("sankey"); if (place && !place.dataset.drawn) draw(); }).observe(document.body, { childList: true, subtree: true });
  draw();
  addEventListener("resize", () => drawn.forEach((chart) => chart.resize()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-png]");
    if (!button || !drawn.has(button.dataset.png)) return;
    const link = document.createElement("a");
    link.href = drawn.get(button.dataset.png).getDataURL({ type: "png", pixelRatio: 2, backgroundColor: color("--paper") });
    link.download = `${button.dataset.png}.png`;
    link.click();
  });
})();
