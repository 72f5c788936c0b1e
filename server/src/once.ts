/** Returns a function that computes a value for each object once. The objects must not be modified. */
export const once = <Key extends object, Value>(compute: (key: Key) => Value) => {
  const known = new WeakMap<Key, Value>();
  return (key: Key): Value => {
    const existing = known.get(key);
    if (existing !== undefined) return existing;
    const created = compute(key);
    known.set(key, created);
    return created;
  };
};
