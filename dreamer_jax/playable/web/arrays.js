// Arrays as the files and the local server send them: {type, shape, data in base64}.

const TYPES = {
  float32: Float32Array, int32: Int32Array, uint8: Uint8Array, bool: Uint8Array,
};

/** A typed array of what was sent. */
export function decoded({ type, data }) {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  return new TYPES[type](bytes.buffer);
}

/** A moment as it was sent, with a typed array in place of each sent one. */
export function momentOf(sent) {
  const arrays = (group) => Object.fromEntries(Object.entries(group).map(([k, x]) => [k, decoded(x)]));
  return { ...sent, obs: arrays(sent.obs), policy: arrays(sent.policy) };
}
