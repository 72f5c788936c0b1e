import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { Redis } from 'ioredis';

/** Returns how many milliseconds it takes to insert each text in a transaction of its own, as the server does. */
export const insertMs = (texts: readonly string[]): number => {
  const directory = mkdtempSync(join(tmpdir(), 'pennon-bench-'));
  const database = new DatabaseSync(join(directory, 'raw.db'));
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
  database.exec(
    'CREATE TABLE log (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, text TEXT NOT NULL)',
  );
  const insert = database.prepare('INSERT INTO log (at, text) VALUES (?, ?)');
  const start = performance.now();
  for (const text of texts) insert.run(0, text);
  const elapsed = performance.now() - start;
  database.close();
  rmSync(directory, { recursive: true });
  return elapsed;
};

const IN_FLIGHT = 8;

/** Returns how many milliseconds it takes to add each text to a stream, with as many in flight as requests. */
export const xaddMs = async (url: string, texts: readonly string[]): Promise<number> => {
  const redis = new Redis(url);
  const stream = `pennon-bench-raw-${process.pid}`;
  let next = 0;
  const start = performance.now();
  const add = async (): Promise<void> => {
    for (let text = texts[next++]; text !== undefined; text = texts[next++])
      await redis.xadd(stream, '*', 'text', text);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, add));
  const elapsed = performance.now() - start;
  await redis.del(stream);
  redis.disconnect();
  return elapsed;
};
