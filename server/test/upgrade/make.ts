import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { gzipSync } from 'node:zlib';

import { secureRandom } from '../../src/random.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import { startServer } from '../support/server.ts';
import {
  begin,
  clockAt,
  HOUR_MS,
  MINUTE_MS,
  read,
  restart,
  sendUnits,
  START_MS,
} from './scenario.ts';

/** Writes the data and what the server returns of it. See README.md. */
const directory = mkdtempSync(join(tmpdir(), 'pennon-upgrade-'));
const clock = clockAt(START_MS);
const store = await openSqliteStore({ directory, random: secureRandom });
const server = await startServer({ clock, store });
await begin(server);
await sendUnits(server, clock, { from: 0, count: 20 });
await restart(server);
await sendUnits(server, clock, { from: 100, count: 250 });
// After 25 hours the values of these units are final.
clock.jump(27 * HOUR_MS);
await sendUnits(server, clock, { from: 100, count: 5 });
clock.jump(2 * MINUTE_MS);
await sendUnits(server, clock, { from: 400, count: 60 });
const expected = { now: clock.now(), ...(await read(server)) };
await server.close();

const compact = (name: string): void => {
  const [file, copy] = [join(directory, name), join(directory, `copy-of-${name}`)];
  const database = new DatabaseSync(file);
  database.exec(`VACUUM INTO '${copy}'`);
  database.close();
  writeFileSync(new URL(`${name}.gz`, import.meta.url), gzipSync(readFileSync(copy), { level: 9 }));
};
compact('pennon.db');
compact('events.db');
writeFileSync(new URL('expected.json', import.meta.url), `${JSON.stringify(expected, null, 2)}\n`);
rmSync(directory, { recursive: true });
