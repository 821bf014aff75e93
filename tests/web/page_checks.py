"""What is asked of a page in the browser, in its language."""

# Number of colors that a chart has.
COLORS = """id => {
  const c = document.querySelector(`#${id} canvas`);
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  return new Set(Array.from({length: d.length / 4}, (_, n) => d.slice(4 * n, 4 * n + 3).join())).size;
}"""

# Texts whose contrast to what is behind them is below 4.5, by the formula of WCAG 2.
LOW_CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return Array.from(canvas.getImageData(0, 0, 1, 1).data);
  };
  const linear = (v) => v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const color = rgb(getComputedStyle(e).backgroundColor);
      if (color[3] > 250) return color;
    }
    return rgb(getComputedStyle(document.body).backgroundColor);
  };
  const low = [];
  for (const e of document.querySelectorAll('main *, header *, footer *')) {
    const own = Array.from(e.childNodes).some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.getClientRects().length || e.closest('.hidden, svg title, script, noscript, option')) continue;
    const style = getComputedStyle(e), color = e.namespaceURI.includes('svg') ? style.fill : style.color;
    const [a, b] = [light(rgb(color)), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) low.push(`${e.tagName} ${e.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return low;
}"""

# Fields and buttons that a screen reader has no name for.
UNNAMED = """() => Array.from(document.querySelectorAll('main input:not([type=hidden]), main select, main button'))
  .filter((e) => !(e.labels && e.labels.length) && !e.getAttribute('aria-label') && !e.textContent.trim())
  .map((e) => e.outerHTML)"""
