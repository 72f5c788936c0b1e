/** What is wrong with a flag. `path` is dotted and starts at the flag; it is empty for the flag as a whole. */
export type Problem = {
  readonly flagKey: string;
  readonly path: string;
  readonly message: string;
};

/** A problem of a segment, or of a flag before its key is added. */
export type Finding = { readonly path: string; readonly message: string };

export type Report = (path: string, message: string) => void;

/** The path of a field or list entry of the value at `path`. */
export const below = (path: string, name: string | number): string =>
  path === '' ? String(name) : `${path}.${name}`;
