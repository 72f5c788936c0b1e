/** The output of one benchmark: numbers side by side, measured in one run. */
export type Table = {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What a reader must know to understand the numbers. */
  readonly notes?: readonly string[];
};

const widthOf = (table: Table, column: number): number =>
  Math.max(...[table.columns, ...table.rows].map(row => (row[column] ?? '').length));

/** The first column is text, the others are numbers. */
const aligned = (cell: string, width: number, column: number): string =>
  column === 0 ? cell.padEnd(width) : cell.padStart(width);

const line = (table: Table, row: readonly string[]): string =>
  row.map((cell, column) => aligned(cell, widthOf(table, column), column)).join('  ');

/** Formats a table as text with aligned columns. */
export const format = (table: Table): string =>
  [
    table.title,
    line(table, table.columns),
    ...table.rows.map(row => line(table, row)),
    ...(table.notes ?? []).map(note => `  ${note}`),
  ].join('\n');
