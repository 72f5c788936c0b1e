/**
 * Three views of a file, each as long as the file, so an index in a view is an index in the file.
 * Text that does not belong to a view is replaced by `BREAK`, line breaks are kept.
 */
export type Views = {
  /** Comments and docstrings; in Markdown, the text. */
  readonly comments: string;
  /** String literals of three words or more: messages, descriptions, test titles. */
  readonly strings: string;
  /** Everything else, for the names in it. */
  readonly code: string;
};

/** Separates passages that do not belong together. No phrase matches across it. */
export const BREAK = '\0';

type Kind = keyof Views | 'template' | 'text' | 'block' | 'blank';
type Span = { readonly kind: Kind; readonly end: number };

/** Returns the span that starts at `index`, or undefined if none starts there. */
type Scan = (source: string, index: number) => Span | undefined;

/** Tries patterns in order at one index. */
const scanner = (patterns: readonly (readonly [Kind, RegExp])[]): Scan => {
  // Compiled once, because files are scanned at nearly every index.
  const sticky = patterns.map(
    ([kind, pattern]) => [kind, new RegExp(pattern.source, `${pattern.flags}y`)] as const,
  );
  return (source, index) => {
    for (const [kind, pattern] of sticky) {
      pattern.lastIndex = index;
      const text = pattern.exec(source)?.[0];
      if (text !== undefined && text !== '') return { kind, end: index + text.length };
    }
    return undefined;
  };
};

const QUOTED = /'(?:\\[\s\S]|[^'\\\n])*'|"(?:\\[\s\S]|[^"\\\n])*"/;

/** A template literal. Substitutions may hold templates themselves, two levels deep. */
const TEMPLATE = (() => {
  const nest = (inner: string): string =>
    `\`(?:\\\\[\\s\\S]|\\$\\{(?:[^{}\`'"]|'[^'\\n]*'|"[^"\\n]*"|\\{[^{}]*\\}|${inner})*\\}|(?!\\$\\{)[^\`\\\\])*\``;
  return new RegExp(nest(nest('(?!)')));
})();

/** A regular expression literal, recognized by the code in front of it. */
const REGEX =
  /(?<=(?:^|[(,=:[!&|?{};+~>]|\b(?:return|typeof|case|of|in))\s*)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/;

const TYPESCRIPT = scanner([
  ['comments', /\/\/[^\n]*|\/\*[\s\S]*?\*\//],
  ['strings', QUOTED],
  ['template', TEMPLATE],
  ['blank', REGEX],
  ['code', /[\w$]+/],
]);

const PYTHON = scanner([
  ['comments', /#[^\n]*/],
  ['comments', /(?<=^[ \t]*)[rR]?"""[\s\S]*?"""/m],
  ['strings', /[rRbBfFuU]{0,2}(?:"""[\s\S]*?"""|'''[\s\S]*?''')/],
  ['strings', new RegExp(`[rRbBfFuU]{0,2}(?:${QUOTED.source})`)],
  // The name of a test is its title.
  ['strings', /(?<=def )test_\w+/],
  ['code', /\w+/],
]);

const LUA = scanner([
  ['comments', /--\[\[[\s\S]*?\]\]|--[^\n]*/],
  ['strings', QUOTED],
  ['code', /\w+/],
]);

/** Code blocks count only by their comments: readers of a README read those too. */
const MARKDOWN = scanner([
  ['block', /(?<=^[ \t]*)```[\s\S]*?^[ \t]*```/m],
  ['blank', /\]\([^)]*\)|<https?:[^>]*>|`[^`]*`/],
  ['text', /[\s\S]/],
]);

const SCANS: Readonly<Record<string, Scan>> = {
  '.ts': TYPESCRIPT,
  '.tsx': TYPESCRIPT,
  '.mjs': TYPESCRIPT,
  '.json': TYPESCRIPT,
  '.py': PYTHON,
  '.toml': PYTHON,
  '.yaml': PYTHON,
  '.yml': PYTHON,
  '.lua': LUA,
  '.md': MARKDOWN,
};

const extensionOf = (path: string): string => /\.\w+$/.exec(path)?.[0] ?? '';

export const hasViews = (path: string): boolean => extensionOf(path) in SCANS;

const erase = (text: string): string => text.replaceAll(/\S/g, BREAK);

/** Blanks what is quoted as code, and the marks that make a comment of a text. */
const proseOf = (text: string): string =>
  text
    .replaceAll(/`[^`\n]*`/g, erase)
    .replaceAll(/^[ \t]*(?:\/\/+|#+|--|\*(?!\/))/gm, mark => ' '.repeat(mark.length))
    .replaceAll(/\/\*\*?|\*\/|"""/g, mark => BREAK.repeat(mark.length));

const isSentence = (text: string): boolean => /(?:[a-z]\S*\s+\W*){2}[a-z]/i.test(text);

const SUBSTITUTION = /\$\{(?:[^{}]|\{[^{}]*\})*\}/g;

/** Blanks quotes and substitutions. A shorter text is a name or data, and is blanked as a whole. */
const messageOf = (literal: string): string => {
  if (literal.startsWith('test_')) return literal.replaceAll('_', ' ');
  const text = literal
    .replaceAll(SUBSTITUTION, erase)
    .replaceAll(/\\n/g, '  ')
    .replace(/^[a-zA-Z]{0,2}["'`]+|["'`]+$/g, quotes => ' '.repeat(quotes.length));
  return isSentence(text) ? text.replaceAll(/`[^`\n]*`/g, erase) : erase(literal);
};

/** Lays the substitutions of a template, which are code, over its text. */
const templateViews = (template: string): Views => {
  const blank = erase(template);
  let views = { comments: blank, strings: messageOf(template), code: blank };
  for (const { 0: text, index } of template.matchAll(SUBSTITUTION)) {
    const inner = viewsOf('.ts', text.slice(2, -1));
    const overlay = (view: string, part = ''): string =>
      `${view.slice(0, index + 2)}${part}${view.slice(index + 2 + part.length)}`;
    views = {
      comments: overlay(views.comments, inner?.comments),
      strings: overlay(views.strings, inner?.strings),
      code: overlay(views.code, inner?.code),
    };
  }
  return views;
};

const codeBlockComments = (block: string): string =>
  block.replaceAll(/[^\n]+/g, line => {
    const comment = /(?:^|\s)(?:#|\/\/)\s.*$/.exec(line);
    if (comment === null) return erase(line);
    return (
      erase(line.slice(0, comment.index)) +
      proseOf(comment[0].trimStart()).padStart(comment[0].length)
    );
  });

const partViews = (kind: Kind, text: string): Views => {
  const blank = erase(text);
  const views = { comments: blank, strings: blank, code: blank };
  if (kind === 'template') return templateViews(text);
  if (kind === 'comments') return { ...views, comments: proseOf(text) };
  if (kind === 'text') return { ...views, comments: text };
  if (kind === 'block') return { ...views, comments: codeBlockComments(text) };
  if (kind === 'strings') return { ...views, strings: messageOf(text) };
  if (kind === 'code') return { ...views, code: text };
  // A sign of concatenation does not separate the two halves of a message.
  return text === '+' ? { ...views, strings: ' ' } : views;
};

/** Splits a file into its views. Returns undefined if the file is of another kind. */
export const viewsOf = (path: string, source: string): Views | undefined => {
  const scan = SCANS[extensionOf(path)];
  if (scan === undefined) return undefined;
  const parts: Views[] = [];
  for (let index = 0; index < source.length;) {
    const { kind, end } = scan(source, index) ?? { kind: 'blank', end: index + 1 };
    parts.push(partViews(kind, source.slice(index, end)));
    index = end;
  }
  return {
    comments: parts.map(({ comments }) => comments).join(''),
    strings: parts.map(({ strings }) => strings).join(''),
    code: parts.map(({ code }) => code).join(''),
  };
};
