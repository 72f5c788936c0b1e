/** What is wrong with a flag, and where: `path` is dotted from the flag, empty for the flag as a whole. */
export type Problem = {
  readonly flagKey: string;
  readonly path: string;
  readonly message: string;
};

/** What is wrong below a path, before it is known whose it is. */
export type Finding = { readonly path: string; readonly message: string };

export type Report = (path: string, message: string) => void;

/** The path of `name` within what lies at `path`. */
export const below = (path: string, name: string | number): string =>
  path === '' ? String(name) : `${path}.${name}`;
