/** Loaded when there are files to read or to write: most providers have none. */
export const files = () => import('node:fs/promises');
