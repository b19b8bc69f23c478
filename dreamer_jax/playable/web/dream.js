// The dream in the page itself: the world model as an ONNX graph, run by onnxruntime-web.

import * as ort from "./onnxruntime/ort.wasm.bundle.min.mjs";
import { decoded, momentOf } from "./arrays.js";

const END = 0.5; // probability to continue below which the dream of an episode is over

/** Uniform numbers in [0, 1); the same for the same seed (mulberry32). */
function generator(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export class Dream {
  /** Loads the graph and the moments at which dreams begin. */
  static async open(manifest) {
    ort.env.wasm.numThreads = 1; // more would need special headers from the host
    ort.env.wasm.wasmPaths = { wasm: new URL("onnxruntime/ort-wasm-simd-threaded.wasm", import.meta.url).href };
    const [session, starts] = await Promise.all([
      ort.InferenceSession.create(manifest.step.file, { executionProviders: ["wasm"] }),
      fetch(manifest.starts).then((answer) => answer.json()),
    ]);
    return new Dream(manifest, session, starts);
  }

  constructor(manifest, session, starts) {
    this.seed = new URLSearchParams(location.search).get("seed");
    this.manifest = manifest;
    this.session = session;
    this.starts = starts;
    this.next = 0;
  }

  /** The moment at which a dream begins; without a number, the next of them. */
  async restart(number = this.next) {
    const start = this.starts[number];
    // With a seed, each start has the same dreams for the same actions.
    this.random = generator(this.seed === null ? Math.random() * 2 ** 32 : Number(this.seed) + number);
    this.next = (number + 1) % this.starts.length;
    const inputs = this.manifest.step.inputs;
    this.carry = {};
    for (const [name, array] of Object.entries(start.carry)) {
      this.carry[name] = new ort.Tensor(inputs[name].type, decoded(array), inputs[name].shape);
    }
    this.moment = { ...momentOf(start.moment), mode: "dream", step: 0, score: 0, over: false, start: number };
    return this.moment;
  }

  /** The next moment. Without an action, the policy draws one. */
  async step(action) {
    const chosen = action ?? this.drawn();
    const { inputs, outputs } = this.manifest.step;
    const feeds = { ...this.carry };
    for (const [key, values] of Object.entries(chosen)) {
      const name = `carry/action/${key}`;
      const Values = inputs[name].type === "int32" ? Int32Array : Float32Array;
      feeds[name] = new ort.Tensor(inputs[name].type, Values.from(values), inputs[name].shape);
    }
    const [, count] = inputs.uniform.shape;
    feeds.uniform = new ort.Tensor("float32", Float32Array.from({ length: count }, this.random), [1, count]);
    const found = await this.session.run(feeds);
    const moment = { ...this.moment, obs: {}, policy: {}, action: chosen, step: this.moment.step + 1 };
    for (const name of Object.keys(outputs)) {
      const [group, ...rest] = name.split("/");
      if (group === "next") this.carry[`carry/${rest.join("/")}`] = found[name];
      else if (rest.length) moment[group][rest.join("/")] = found[name].data;
      else moment[name] = found[name].data[0];
    }
    moment.score += moment.reward;
    moment.over = moment.continue < END;
    this.moment = moment;
    return moment;
  }

  /** An action by the policy at the present moment. */
  drawn() {
    const action = {};
    for (const [key, space] of Object.entries(this.manifest.spaces.actions)) {
      const part = (name) => this.moment.policy[`${key}/${name}`];
      if (space.classes) {
        let first = 0;
        action[key] = space.classes.map((classes) => {
          const chances = part("probabilities").slice(first, first + classes);
          first += classes;
          let left = this.random();
          const found = chances.findIndex((chance) => (left -= chance) < 0);
          return found < 0 ? classes - 1 : found;
        });
      } else {
        action[key] = Array.from(part("mean"), (mean, i) => mean + part("stddev")[i] * this.normal());
      }
    }
    return action;
  }

  /** A number from the standard normal distribution. */
  normal() {
    return Math.sqrt(-2 * Math.log(1 - this.random())) * Math.cos(2 * Math.PI * this.random());
  }
}
