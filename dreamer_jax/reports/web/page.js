// The controls of the page, and which charts are drawn.

{
  const data = JSON.parse(document.getElementById("data").textContent);
  const state = { axis: "s", log: false, smooth: 0, band: "interval", hidden: new Set() };
  const charts = [];
  const shownNow = new Set();

  // Charts are drawn when they come into view: a page may hold hundreds.
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const chart = target.chart;
      if (isIntersecting) shownNow.add(chart); else shownNow.delete(chart);
      if (isIntersecting && chart.dirty) chart.draw();
    }
  }, { rootMargin: "300px" });
  const sized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.clientWidth === target.chart.width) continue;
      target.chart.width = target.clientWidth;
      redraw(target.chart);
    }
  });

  function redraw(chart) {
    chart.leave();
    chart.dirty = true;
    if (shownNow.has(chart)) chart.draw();
  }

  function add(spec, parent) {
    const chart = new Chart(spec, data, state);
    chart.figure.chart = chart;
    chart.enlarge.addEventListener("click", () => enlarge(spec, chart.enlarge));
    parent.append(chart.figure);
    charts.push(chart);
    seen.observe(chart.figure);
    sized.observe(chart.figure);
  }

  function enlarge(spec, button) {
    const chart = new Chart(spec, data, state, { tall: true });
    const close = html("button", { type: "button" }, "close");
    const dialog = html("dialog", { "aria-label": spec.title }, chart.figure, close);
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => { dialog.remove(); button.focus(); });
    document.body.append(dialog);
    dialog.showModal();
    chart.draw();
  }

  function build() {
    const scores = document.getElementById("scores-charts"); // null where no run acts
    if (scores) {
      for (const spec of data.charts.filter((each) => each.main)) add(spec, scores);
      if (!scores.childElementCount) scores.append(html("p", { class: "empty" }, "No scores yet."));
    }
    const all = document.getElementById("all-charts");
    all.className = "metrics";
    let first = true;
    for (const [key, title] of Object.entries(data.titles)) {
      const specs = data.charts.filter((each) => each.group === key && !each.main);
      if (!specs.length) continue;
      const box = html("div", { class: "charts" });
      const part = html("details", {}, html("summary", {}, `${title} (${specs.length})`), box);
      part.open = first || innerWidth > 700;
      first = false;
      for (const spec of specs) add(spec, box);
      all.append(part);
    }
    const constant = Object.entries(data.constant).map(([name, value]) => `${name} = ${shown(value)}`);
    if (constant.length) {
      const text = html("p", { class: "constant" }, constant.join(", "));
      all.append(html("details", {}, html("summary", {}, `Never changed (${constant.length})`), text));
    }
    all.append(html("p", { class: "empty", id: "nothing", hidden: "" }, "No metric has this name."));
  }

  function legend() {
    const box = document.getElementById("legend");
    if (data.groups.length < 2) return;
    data.groups.forEach((group, i) => {
      const button = html("button", { type: "button", "aria-pressed": "true", class: color(i) }, html("i", {}), group.name);
      button.addEventListener("click", () => {
        if (!state.hidden.delete(i)) state.hidden.add(i);
        button.setAttribute("aria-pressed", String(!state.hidden.has(i)));
        charts.forEach(redraw);
      });
      box.append(button);
    });
  }

  function search(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const { spec, figure } of charts) {
      if (spec.main) continue;
      const name = `${spec.id} ${spec.text}`.toLowerCase();
      figure.hidden = !words.every((word) => name.includes(word));
      if (!figure.hidden) found++;
    }
    for (const part of document.querySelectorAll("#all-charts > details")) {
      const figures = [...part.querySelectorAll("figure")];
      if (!figures.length) continue;
      part.hidden = figures.every((figure) => figure.hidden);
      if (words.length) part.open = true;
    }
    document.getElementById("nothing").hidden = found > 0;
  }

  function controls() {
    const change = (values) => { Object.assign(state, values); charts.forEach(redraw); };
    for (const radio of document.getElementsByName("axis")) {
      if (radio.value === state.axis) radio.checked = true;
      radio.addEventListener("change", () => change({ axis: radio.value }));
    }
    const log = document.getElementById("log");
    log.checked = false; // browsers keep what was chosen before a reload
    log.addEventListener("change", () => change({ log: log.checked }));
    const smooth = document.getElementById("smooth");
    smooth.value = 0;
    smooth.addEventListener("input", () => {
      document.querySelector("#toolbar output").textContent = (smooth.value / 100).toFixed(2).replace(/\.?0+$/, "");
      change({ smooth: smooth.value / 100 });
    });
    const band = document.getElementById("band");
    band.value = state.band;
    band.hidden = !data.groups.some((group) => group.runs.length > 1);
    band.addEventListener("change", () => change({ band: band.value }));
    const box = document.getElementById("search");
    box.value = "";
    box.addEventListener("input", () => search(box.value));
    box.addEventListener("change", () => box.value && document.getElementById("metrics").scrollIntoView());
  }

  function copying() {
    for (const button of document.querySelectorAll(".copy")) {
      const code = button.previousElementSibling;
      button.addEventListener("click", async () => {
        getSelection().selectAllChildren(code);
        try {
          await navigator.clipboard.writeText(code.textContent);
          button.textContent = "copied";
        } catch {
          button.textContent = "selected";
        }
        setTimeout(() => { button.textContent = "copy"; }, 1500);
      });
    }
  }

  function moments() {
    for (const figure of document.querySelectorAll(".moments")) {
      const images = [...figure.querySelectorAll("img")];
      const slider = figure.querySelector("input");
      if (!slider) continue;
      slider.value = images.length - 1;
      slider.addEventListener("input", () => {
        images.forEach((image, i) => { image.hidden = i !== Number(slider.value); });
        figure.querySelector("output").textContent = images[slider.value].dataset.step;
      });
    }
  }

  build();
  legend();
  controls();
  copying();
  moments();
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("#metrics details")) part.open = true;
    for (const chart of charts) chart.draw();
  });
}
