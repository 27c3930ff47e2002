"use strict";
(() => {
  const NARROW = 480; // pixels in which a legend has no room in one line
  const plots = JSON.parse(document.getElementById("plots").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Everything that has a colour takes it from the page's variables, so that both follow one theme.
  const theme = () => {
    const [ink, dim, line, first] = ["--ink", "--dim", "--line", "--plot-1"].map(colour);
    const font = getComputedStyle(document.body).fontFamily;
    const words = { labelColor: dim, titleColor: dim, labelFont: font, titleFont: font, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 400 };
    return {
      background: "transparent",
      view: { stroke: null },
      axis: { ...words, gridColor: line, domainColor: line, tickColor: line, titlePadding: 8 },
      axisX: { grid: false, labelSeparation: 10 },
      legend: { ...words, labelColor: ink, symbolBaseFillColor: dim, symbolBaseStrokeColor: dim, orient: "top", direction: "horizontal", symbolStrokeWidth: 2 },
      range: { category: [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => colour(`--plot-${n}`)) },
      circle: { color: colour("--plot-8") },
      point: { color: colour("--plot-6"), filled: true },
      area: { color: first, line: { color: first, strokeWidth: 1.5 } },
      line: { color: first },
      rule: { color: ink },
    };
  };

  const wrapped = (spec) => {
    for (const legend of spec.legends ?? []) legend.columns = 2;
    spec.config.legend.layout = { top: { direction: "vertical" } };
    return spec;
  };

  const draw = () => {
    const config = theme();
    const options = { mode: "vega-lite", actions: false, renderer: "svg", config, tooltip: { theme: dark.matches ? "dark" : "light" } };
    const drawn = Object.entries(plots).map(([name, plot]) => {
      const place = document.getElementById(`plot-${name}`);
      return vegaEmbed(place, plot, place.clientWidth < NARROW ? { ...options, patch: wrapped } : options);
    });
    Promise.all(drawn).then(() => { document.body.dataset.plots = String(drawn.length); });
  };

  draw();
  dark.addEventListener("change", draw);
})();
