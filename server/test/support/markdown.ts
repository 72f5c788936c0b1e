/** One fenced block: its language, the words after it, and its text. */
export type Block = {
  readonly language: string;
  readonly label: string;
  readonly text: string;
  readonly line: number;
};

/** A row of a table: its cells without back-ticks. */
export type Row = { readonly cells: readonly string[]; readonly line: number };

export type Element = ({ readonly kind: 'block' } & Block) | ({ readonly kind: 'row' } & Row);

const cellsOf = (line: string): string[] =>
  line
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map(cell => cell.trim().replace(/^`(.*)`$/, '$1'));

/** Returns the fenced blocks and table rows of a page in order, without the head of each table. */
export const elementsOf = (page: string): readonly Element[] => {
  const lines = page.split('\n');
  const elements: Element[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    const [, language, label] = /^```(\w+) ?(.*)$/.exec(line) ?? [];
    if (language !== undefined) {
      const end = lines.indexOf('```', index + 1);
      const text = lines.slice(index + 1, end).join('\n');
      elements.push({ kind: 'block', language, label: label ?? '', text, line: index + 1 });
      index = end;
    } else if (line.startsWith('|') && !line.startsWith('| -')) {
      const isHead = lines[index + 1]?.startsWith('| -') ?? false;
      if (!isHead) elements.push({ kind: 'row', cells: cellsOf(line), line: index + 1 });
    }
  }
  return elements;
};
