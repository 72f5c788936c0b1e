/**
 * Makes declarations compile under all versions of TypeScript from 5.0 on, and without the types of
 * browsers. Those of tRPC use types that newer versions have changed or added.
 */

type Declaration = { readonly used: RegExp; readonly text: string };

/** Declarations that a module receives if it uses the type. They hide the global type of that name. */
const DECLARATIONS: readonly Declaration[] = [
  {
    // It has one parameter before TypeScript 5.6.
    used: /\bAsyncIterable<.*, /,
    text: 'interface AsyncIterable<T, TReturn = any, TNext = any> { [Symbol.asyncIterator](): AsyncIterator<T, TReturn, TNext>; }',
  },
  {
    // New in TypeScript 5.4.
    used: /\bNoInfer</,
    text: 'type NoInfer<T> = [T][T extends any ? 0 : never];',
  },
  {
    // New in TypeScript 5.6. Its name before was IterableIterator.
    used: /\bMapIterator</,
    text: "type MapIterator<T> = ReturnType<ReadonlyMap<unknown, T>['values']>;",
  },
  {
    // In neither the types of browsers nor those of the language before TypeScript 5.2.
    used: /& Disposable\b/,
    text: 'type Disposable = object;',
  },
  {
    used: /& AsyncDisposable\b/,
    text: 'type AsyncDisposable = object;',
  },
  {
    // Missing in the types of Node.js.
    used: /\bRequestInfo\b/,
    text: 'type RequestInfo = Request | string;',
  },
];

/** Returns the text of a module of declarations for all supported compilers. */
export const forOlderCompilers = (module: string): string => {
  // The last line, a comment, may have no end.
  const added = DECLARATIONS.filter(({ used }) => used.test(module)).map(({ text }) => `\n${text}`);
  // It has no parameter before TypeScript 5.7.
  return `${module.replaceAll(/\bUint8Array<ArrayBuffer>/g, 'Uint8Array') + added.join('')}\n`;
};
