// The page: it plays moments that a dream in the page, or a local program, produces.

import { Controls } from "./controls.js";
import { line } from "./curves.js";
import { observations } from "./observations.js";

const HISTORY = 200; // steps that a curve shows
const PAUSE_AT_END = 1200; // milliseconds
const CURVES = {
  reward: { title: "Reward", low: 0, high: 0.1 },
  value: { title: "Value", low: 0, high: 0.1 },
  continue: { title: "Continues", low: 0, high: 1 },
};
const MOST_CHOICES = 20; // bars of a policy

const $ = (id) => document.getElementById(id);
const page = {
  agent: true, paused: false, speed: 1, moment: null, due: 0, times: [], waiting: 0, requests: Promise.resolve(),
};
let backend, manifest, controls, showObservations;
const past = Object.fromEntries(Object.keys(CURVES).map((name) => [name, []]));

function fail(error) {
  page.paused = true;
  $("message").className = "error";
  $("message").textContent = error.message ?? String(error);
  console.error(error);
}

/** Asks the backend for a moment, after all earlier requests. */
function play(request) {
  page.waiting += 1;
  page.requests = page.requests.then(async () => {
    try {
      show(await request());
      page.times = [...page.times, performance.now()].slice(-60);
    } catch (error) {
      fail(error);
    } finally {
      page.waiting -= 1;
    }
  });
  return page.requests;
}

function show(moment) {
  const fresh = !moment.step || moment.mode !== page.moment?.mode;
  page.moment = moment;
  document.body.dataset.mode = moment.mode;
  document.body.dataset.step = moment.step;
  $("mode").textContent = moment.mode;
  const action = moment.action ? `${controls.inWords(moment.action)} · ` : "";
  $("where").textContent = `${action}step ${moment.step} · score ${moment.score.toFixed(1)}`;
  showObservations(moment.obs);
  for (const [name, { low, high }] of Object.entries(CURVES)) {
    past[name] = fresh ? [moment[name]] : [...past[name], moment[name]].slice(-HISTORY);
    $(`now-${name}`).textContent = moment[name].toFixed(name === "continue" ? 3 : 2).replace(/^-(0\.0+)$/, "$1");
    line($(`curve-${name}`), past[name], { most: HISTORY, low, high });
  }
  showPolicy(moment);
  $("ended").hidden = !moment.over;
  $("ended").textContent = moment.mode === "dream" ? "The model expects the episode to end here." : "The episode is over.";
  for (const [i, button] of [...$("starts").querySelectorAll("button")].entries()) {
    button.setAttribute("aria-pressed", i === moment.start);
  }
  $("switch").textContent = moment.mode === "dream" ? "Back to the real game" : "To the dream";
}

function showPolicy({ policy }) {
  for (const row of $("policy").querySelectorAll(".action")) {
    const { key, name, index } = row.dataset;
    const value = policy[`${key}/${name}`][index];
    const share = name === "mean" ? (value + 1) / 2 : value;
    row.querySelector("i").style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
    row.querySelector(".share").textContent = name === "mean" ? value.toFixed(2) : `${Math.round(100 * value)}%`;
  }
}

function buildPolicy() {
  $("policy").innerHTML = "<h2>The agent would</h2>";
  const names = manifest.controls.names;
  let longest = 4;
  for (const [key, space] of Object.entries(manifest.spaces.actions)) {
    const rows = space.classes
      ? space.classes.flatMap((n, entry) => Array.from({ length: n }, (_, choice) => ({ entry, choice })))
      : Array.from({ length: space.shape[0] }, (_, i) => ({ entry: i, choice: "" }));
    rows.slice(0, MOST_CHOICES).forEach(({ entry, choice }, index) => {
      const row = document.createElement("div");
      row.className = "action";
      row.innerHTML = '<span></span><span class="bar"><i></i></span><span class="share"></span>';
      const label = names[choice] ?? `${key}${rows.length > 1 ? ` ${space.classes ? choice : entry}` : ""}`;
      row.firstChild.textContent = label;
      longest = Math.max(longest, label.length);
      Object.assign(row.dataset, { key, name: space.classes ? "probabilities" : "mean", index });
      $("policy").append(row);
    });
  }
  $("policy").style.setProperty("--label", `${longest}ch`);
}

function buildCurves() {
  for (const [name, { title }] of Object.entries(CURVES)) {
    const card = document.createElement("section");
    card.className = "card curve";
    card.innerHTML = `<h2>${title}</h2><output id="now-${name}"></output><canvas id="curve-${name}"></canvas>`;
    $("curves").append(card);
  }
}

function buildControls() {
  const legend = [...controls.legend(), ["T", "take over, hand back"], ["R", "restart"], ["P", "pause"]];
  if (backend.switch) legend.push(["M", "to the dream and back"]);
  for (const [key, what] of legend) {
    $("legend").append(Object.assign(document.createElement("dt"), { textContent: key }));
    $("legend").append(Object.assign(document.createElement("dd"), { textContent: what }));
  }
  for (const { label, key } of controls.pad()) {
    const button = Object.assign(document.createElement("button"), { textContent: label });
    const press = (down) => (event) => {
      event.preventDefault();
      button.classList.toggle("down", down);
      down ? pressed(key) : controls.up(key);
    };
    button.addEventListener("pointerdown", press(true));
    for (const name of ["pointerup", "pointercancel", "pointerleave"]) button.addEventListener(name, press(false));
    $("pad").append(button);
  }
  $("pad").hidden = !$("pad").children.length;
  (backend.starts ?? []).forEach((_, i) => {
    if (!i) $("starts").append("Begin at");
    const button = Object.assign(document.createElement("button"), { textContent: i + 1 });
    button.addEventListener("click", () => restart(i));
    $("starts").append(button);
    $("starts").hidden = false;
  });
  $("driver").addEventListener("click", () => drive(!page.agent));
  $("pause").addEventListener("click", () => pause(!page.paused));
  $("restart").addEventListener("click", () => restart());
  $("switch").hidden = !backend.switch;
  $("switch").addEventListener("click", () => play(() => backend.switch()));
  $("speed").addEventListener("input", () => setSpeed(2 ** Number($("speed").value)));
  addEventListener("keydown", onKey);
  addEventListener("keyup", (event) => controls.up(named(event)));
  addEventListener("blur", () => controls.release());
}

function named({ key }) {
  return key.length === 1 ? key.toLowerCase() : key;
}

/** A key of an action: whoever presses one plays. */
function pressed(key) {
  const known = controls.down(key);
  if (known && page.agent) drive(false);
  return known;
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const commands = {
    t: () => drive(!page.agent),
    r: () => restart(),
    p: () => pause(!page.paused),
    m: () => backend.switch && play(() => backend.switch()),
  };
  const key = named(event);
  const command = commands[key];
  if (command && !event.repeat) command();
  else if (!command && !pressed(key)) return;
  event.preventDefault();
}

function drive(agent) {
  page.agent = agent;
  $("driver").textContent = agent ? "Take over" : "Hand back to the agent";
  $("driver-now").textContent = agent ? "agent plays" : "you play";
  document.body.dataset.driver = agent ? "agent" : "you";
}

function pause(paused) {
  page.paused = paused;
  $("pause").textContent = paused ? "Continue" : "Pause";
}

function restart(number) {
  pause(false);
  return play(() => backend.restart(number));
}

function setSpeed(speed) {
  page.speed = speed;
  $("speed-now").textContent = `${+(manifest.rate * speed).toPrecision(3)} / s`;
}

/** Takes a step when one is due. Where every action has an effect, it waits for a key. */
function tick(now) {
  const interval = 1000 / (manifest.rate * page.speed);
  const ready = !page.waiting && !page.paused && page.moment;
  if (ready && page.moment.over) {
    page.over ??= now;
    if (now - page.over > PAUSE_AT_END) {
      page.over = null;
      restart();
    }
  } else if (ready && (now >= page.due || (!page.agent && controls.tapped.size))) {
    page.over = null;
    const action = page.agent ? null : controls.action();
    if (page.agent || action) {
      page.due = now - page.due > 2 * interval ? now + interval : page.due + interval;
      play(() => backend.step(action));
    }
  }
  requestAnimationFrame(tick);
}

function showRate() {
  const times = page.times.filter((time) => time > performance.now() - 2000);
  const rate = times.length > 1 ? (1000 * (times.length - 1)) / (times.at(-1) - times[0]) : 0;
  $("rate").textContent = rate ? `${rate.toFixed(1)} steps a second` : "";
}

async function main() {
  manifest = await (await fetch("model.json")).json();
  $("title").textContent = document.title = manifest.env;
  $("subtitle").textContent = manifest.subtitle;
  const module = manifest.backend === "onnx" ? "./dream.js" : "./local.js";
  const found = await import(module);
  backend = await (found.Dream ?? found.Local).open(manifest);
  controls = new Controls(manifest.controls, manifest.spaces.actions);
  showObservations = observations($("observations"), $("details"), manifest.spaces.observations, manifest.texts);
  buildCurves();
  buildPolicy();
  buildControls();
  drive(true);
  setSpeed(1);
  await restart();
  setInterval(showRate, 500);
  requestAnimationFrame(tick);
}

main().catch(fail);
