// Keys and touch buttons as actions.

// Keys by the names that the local program uses -> by the names of browsers.
const KEYS = {
  up: "ArrowUp", down: "ArrowDown", left: "ArrowLeft", right: "ArrowRight",
  space: " ", return: "Enter", backspace: "Backspace",
};
const SHOWN = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", " ": "space" };
const MOST = 12; // touch buttons

export class Controls {
  constructor({ names, buttons, numbers }, actions) {
    this.names = names.map((name) => (name === "noop" ? [] : name.split("+")));
    this.buttons = Object.entries(buttons).map(([button, key]) => ({ label: button, key: KEYS[key] ?? key }));
    this.numbers = numbers.map((x) => ({
      ...x, keys: Object.fromEntries(Object.entries(x.keys).map(([key, value]) => [KEYS[key] ?? key, value])),
    }));
    this.actions = actions;
    this.held = new Set();
    this.tapped = new Set(); // pressed since the last action
    this.known = new Set([...this.buttons.map((x) => x.key), ...this.numbers.flatMap((x) => Object.keys(x.keys))]);
  }

  /** Whether a key belongs to an action; remembers that it is down. */
  down(key) {
    if (!this.known.has(key)) return false;
    this.held.add(key);
    this.tapped.add(key);
    return true;
  }

  up(key) {
    this.held.delete(key);
  }

  /** No key is down any more. */
  release() {
    this.held.clear();
    this.tapped.clear();
  }

  /** The action of the keys that are down, or were pressed since the last one; null to wait. */
  action() {
    const keys = new Set([...this.held, ...this.tapped]);
    this.tapped.clear();
    if (this.names.length) {
      const pressed = new Set(this.buttons.filter((x) => keys.has(x.key)).map((x) => x.label));
      let best = -1;
      this.names.forEach((parts, i) => {
        const fits = parts.every((part) => pressed.has(part));
        if (fits && (best < 0 || parts.length > this.names[best].length)) best = i;
      });
      const [key] = Object.keys(this.actions);
      return best < 0 ? null : { [key]: [best] };
    }
    const some = this.numbers.some((x) => Object.keys(x.keys).some((key) => keys.has(key)));
    if (!some && this.numbers.some((x) => x.classes)) return null;
    const action = {};
    for (const number of this.numbers) {
      const sum = Object.entries(number.keys).reduce((total, [key, x]) => total + (keys.has(key) ? x : 0), 0);
      (action[number.key] ??= [])[number.position] = Math.min(sum, number.classes ? number.classes - 1 : 1);
    }
    return action;
  }

  /** An action in a word, or its numbers. */
  inWords(action) {
    const numbers = Object.values(action).flat();
    if (this.names.length) return this.names[numbers[0]].join("+") || "nothing";
    return numbers.slice(0, 4).map((x) => +x.toFixed(1)).join(" ");
  }

  /** What each key does, as pairs of texts. */
  legend() {
    if (this.names.length) return this.buttons.map((x) => [SHOWN[x.key] ?? x.key, x.label]);
    return this.numbers.flatMap((number) => {
      const name = this.numbers.length === 1 ? number.key : `${number.key} ${number.position}`;
      return Object.entries(number.keys).map(([key, value]) => [SHOWN[key] ?? key, `${name} = ${value}`]);
    });
  }

  /** Buttons for a screen without keys: {label, key}. */
  pad() {
    const labels = this.names.length
      ? this.buttons.map((x) => ({ ...x, label: SHOWN[x.key] ?? x.label }))
      : this.legend().map(([shown, what]) => ({ label: what, key: Object.keys(SHOWN).find((k) => SHOWN[k] === shown) ?? shown }));
    return labels.slice(0, MOST);
  }
}
