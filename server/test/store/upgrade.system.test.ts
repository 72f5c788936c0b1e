import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

import { expect, it } from 'vitest';

import { clockAt, foldAll, HOUR_MS, read, sendUnits } from '../upgrade/scenario.ts';
import { startServer } from '../support/server.ts';
import { newDirectory, openStore } from './sqlite-directory.ts';

const FIXTURE = new URL('../upgrade/', import.meta.url);
const readFixture = (name: string): Buffer => readFileSync(new URL(name, FIXTURE));
const { now, ...expected } = JSON.parse(readFixture('expected.json').toString());

/** Starts a server on a copy of the data of an earlier version, at the time at which it was written. */
const startOnEarlierData = async () => {
  const directory = newDirectory();
  for (const name of ['pennon.db', 'events.db'])
    writeFileSync(join(directory, name), gunzipSync(readFixture(`${name}.gz`)));
  const clock = clockAt(now);
  return { clock, server: await startServer({ clock, store: await openStore(directory) }) };
};

const unitsOf = (variants: readonly { readonly units: number }[]): number =>
  variants.reduce((sum, { units }) => sum + units, 0);

it('data of an earlier version has the same results, health and events, and the same ramp', async () => {
  const { server } = await startOnEarlierData();
  await using _ = server;
  // A later version may have more fields.
  expect(await read(server)).toMatchObject(expected);
});

it('an experiment of an earlier version continues, and knows its units', async () => {
  const { server, clock } = await startOnEarlierData();
  await using _ = server;
  // 10 units whose values are final, 10 whose windows are open, and 30 new ones.
  await sendUnits(server, clock, { from: 110, count: 10 });
  await sendUnits(server, clock, { from: 400, count: 10 });
  await sendUnits(server, clock, { from: 500, count: 30 });
  const { results, health, events } = await read(server);
  expect(unitsOf(results.variants)).toBe(unitsOf(expected.results.variants) + 30);
  expect(health).toMatchObject({
    exposures: expected.health.exposures + 50,
    repeats: expected.health.repeats + 20,
    mismatched: {},
  });
  expect(events).toBeGreaterThan(expected.events);
  clock.jump(26 * HOUR_MS);
  await foldAll(server, clock);
  const [bought] = (await read(server)).results.metrics;
  expect(bought.matureUnits.off + bought.matureUnits.on).toBe(unitsOf(results.variants));
});

it('a ramp of an earlier version continues with its steps', async () => {
  const { server, clock } = await startOnEarlierData();
  await using _ = server;
  const { step, state } = (await server.api('GET', '/ramps/release')).body;
  expect([step, state]).toEqual([1, 'running']);
  clock.jump(2 * HOUR_MS);
  await sendUnits(server, clock, { from: 600, count: 60 });
  expect((await server.api('POST', '/ramps/release/approve')).status).toBe(200);
  const stepLater = async () => {
    clock.jump(15_000);
    return (await server.api('GET', '/ramps/release')).body.step;
  };
  await expect.poll(stepLater).toBe(2);
});
