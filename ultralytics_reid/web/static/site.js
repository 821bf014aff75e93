"use strict";
/* Works without it: it tells the server the viewer's time zone, and adds keys, dropping and dragging. */
(() => {
  const shown = document.currentScript ? document.currentScript.dataset.zone : document.querySelector("script[data-zone]").dataset.zone;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const known = document.cookie.split("; ").includes(`tz=${zone}`);
  if (!known) {
    document.cookie = `tz=${zone}; path=/; SameSite=Strict; max-age=31536000`;
    const isFixed = new URLSearchParams(location.search).has("tz");
    if (zone !== shown && !isFixed && document.cookie.includes(`tz=${zone}`)) location.reload();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
    if (event.target.closest("input, select, textarea")) return;
    const key = event.key.toLowerCase();
    if (!/^[a-z]$/.test(key)) return;
    const button = document.querySelector(`button[data-key="${key}"]`);
    if (button) { event.preventDefault(); button.click(); }
  });

  /* A form is sent once, also where a key is pressed twice. */
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));

  const drop = document.getElementById("drop");
  if (drop) {
    const field = document.getElementById("image");
    const over = (on) => (event) => { event.preventDefault(); drop.classList.toggle("over", on); };
    drop.addEventListener("dragover", over(true));
    drop.addEventListener("dragleave", over(false));
    drop.addEventListener("drop", (event) => {
      over(false)(event);
      if (event.dataTransfer.files.length) { field.files = event.dataTransfer.files; drop.requestSubmit(); }
    });
    field.addEventListener("change", () => { if (field.files.length) drop.requestSubmit(); });
  }

  const boxed = document.getElementById("boxed");
  if (boxed) {
    const box = document.getElementById("box"), field = document.getElementById("box-field");
    const width = Number(boxed.dataset.width), height = Number(boxed.dataset.height);
    const svg = boxed.querySelector("svg");
    let start = null;
    const place = (event) => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      return [Math.round(Math.min(Math.max(point.x, 0), width)), Math.round(Math.min(Math.max(point.y, 0), height))];
    };
    const draw = (event) => {
      const end = place(event);
      const [x1, x2] = [start[0], end[0]].sort((a, b) => a - b), [y1, y2] = [start[1], end[1]].sort((a, b) => a - b);
      box.setAttribute("x", x1); box.setAttribute("y", y1);
      box.setAttribute("width", x2 - x1); box.setAttribute("height", y2 - y1);
      return [x1, y1, x2, y2];
    };
    boxed.addEventListener("pointerdown", (event) => { event.preventDefault(); start = place(event); boxed.setPointerCapture(event.pointerId); });
    boxed.addEventListener("pointermove", (event) => { if (start) draw(event); });
    boxed.addEventListener("pointerup", (event) => {
      if (!start) return;
      const found = draw(event);
      start = null;
      if (found[2] - found[0] < 4 || found[3] - found[1] < 4) return;
      field.value = found.join(",");
      document.getElementById("query").requestSubmit();
    });
  }
})();
