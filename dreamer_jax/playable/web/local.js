// The real environment and the dream, both in the local program that serves this page.

import { momentOf } from "./arrays.js";

export class Local {
  static async open() {
    return new Local();
  }

  /** What the program answers to a request, which is a moment. */
  async ask(what, details = {}) {
    const answer = await fetch(what, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(details),
    });
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.error);
    return momentOf(found);
  }

  restart() {
    return this.ask("restart");
  }

  /** The next moment. Without an action, the policy chooses. */
  step(action) {
    return this.ask("step", { action });
  }

  /** The present moment, from now on in the dream, or back in the real episode where it stood. */
  switch() {
    return this.ask("switch");
  }
}
