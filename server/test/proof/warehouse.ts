import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { DuckDBInstance } from '@duckdb/node-api';

import { newDirectory, production, request } from '../redis/servers.ts';
import { elementsOf } from '../support/markdown.ts';
import { VARIANTS } from './simulation.ts';

const PAGE = new URL('../../../docs/events.md', import.meta.url);

/** The SQL of docs/events.md: what makes Parquet of an export, and the query of the moments. */
const sqlOfPage = (): readonly [string, string] => {
  const [load, query, ...rest] = elementsOf(readFileSync(PAGE, 'utf8')).flatMap(element =>
    element.kind === 'block' && element.language === 'sql' ? [element.text] : [],
  );
  if (load === undefined || query === undefined || rest.length > 0)
    throw new Error('docs/events.md must have two blocks of SQL');
  return [load, query];
};

/** Downloads the whole log, as the page does, into a file. Returns the name of its directory. */
export const exportLog = async (url: string): Promise<string> => {
  const directory = newDirectory();
  const file = join(directory, 'events.ndjson');
  writeFileSync(file, '');
  for (let after = ''; ;) {
    const { status, text } = await request(
      url,
      'GET',
      production(`/events/export?limit=1000${after === '' ? '' : `&after=${after}`}`),
    );
    if (status !== 200) throw new Error(text);
    appendFileSync(file, text.endsWith('\n') ? text : `${text}\n`);
    const last: unknown = JSON.parse(text.trimEnd().split('\n').at(-1) ?? '');
    const cursor = String(Reflect.get(Object(last), 'cursor'));
    if (cursor === after) return directory;
    after = cursor;
  }
};

type Row = Readonly<Record<string, string>>;

/** Runs the SQL of the page on an export. All numbers are texts, because some have more digits than a double. */
export const momentsBySql = async (
  directory: string,
  { run, atMs }: { readonly run: string; readonly atMs: number },
): Promise<ReadonlyMap<string, Row>> => {
  const [load, query] = sqlOfPage();
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    // The page is run with its own text; the file is found in the directory of the export.
    await connection.run(`SET file_search_path = '${directory}'`);
    await connection.run(
      load.replace("'events.parquet'", `'${join(directory, 'events.parquet')}'`),
    );
    await connection.run(
      `DROP TABLE events; CREATE VIEW events AS FROM '${directory}/events.parquet'`,
    );
    const [first = '', second = '', ...statements] = query.split(/^(?=SET|WITH)/m);
    if (!first.includes('run') || !second.includes('asOfMs'))
      throw new Error('the page has changed');
    await connection.run(`SET VARIABLE run = '${run}'; SET VARIABLE asOfMs = ${atMs}`);
    const select = statements.join('').trimEnd().replace(/;$/, '');
    const reader = await connection.runAndReadAll(`SELECT COLUMNS(*)::VARCHAR FROM (${select})`);
    return new Map(
      reader.getRowObjectsJson().map(row => {
        const texts = Object.fromEntries(
          Object.entries(row).map(([name, value]) => [
            name,
            typeof value === 'string' ? value : '',
          ]),
        );
        return [texts['variant'] ?? '', texts];
      }),
    );
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
};

/** Puts what the query returns into the form of `GET /experiments/{key}/moments`, without the metric it does not have. */
export const asMoments = (rows: ReadonlyMap<string, Row>) => {
  const number = (variant: string, name: string) => Number(rows.get(variant)?.[name] ?? NaN);
  const ofEach = <Value>(read: (numberOf: (name: string) => number) => Value) =>
    Object.fromEntries(VARIANTS.map(variant => [variant, read(name => number(variant, name))]));
  const sums = (numberOf: (name: string) => number, prefix: string, names: readonly string[]) =>
    Object.fromEntries(names.map(name => [name, numberOf(`${prefix}_${name}`)]));
  return {
    units: ofEach(numberOf => numberOf('units')),
    quarantined: ofEach(numberOf => numberOf('quarantined')),
    metrics: {
      bought: ofEach(numberOf => ({
        // Each value is 0 or 1, so all three sums are the same.
        mature: {
          n: numberOf('bought_n'),
          sum: numberOf('bought_sum'),
          sumSquares: numberOf('bought_sum'),
          nonZero: numberOf('bought_sum'),
        },
        soFar: numberOf('bought_soFar'),
      })),
      revenue: ofEach(numberOf => ({
        mature: sums(numberOf, 'revenue', ['n', 'sum', 'sumSquares', 'nonZero']),
        soFar: null,
      })),
      'load-time': ofEach(numberOf => ({
        mature: sums(numberOf, 'load', [
          'n',
          'sumNumerator',
          'sumDenominator',
          'sumSquaresNumerator',
          'sumSquaresDenominator',
          'sumProducts',
        ]),
        soFar: null,
      })),
    },
  };
};
