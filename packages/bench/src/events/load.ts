/** Sends events at a steady rate to the URL in a message, until one has none. A thread of its own, so that it does not delay what is measured. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

import { z } from 'zod';

import { KEY } from '../hold/server.ts';
import { batchOf, EVENTS_OF_BATCH } from './experiment.ts';

const { eventsPerSecond } = z.object({ eventsPerSecond: z.number() }).parse(workerData);

const TURNS_PER_SECOND = 50;
/** Of four batches, one has exposures. */
const EXPOSURE_EVERY = 4;

let target: string | null = null;
let batch = 0;
parentPort?.on('message', (message: unknown) => {
  target = z.string().nullable().parse(message);
});

const send = async (url: string): Promise<void> => {
  batch += 1;
  const response = await fetch(`${url}/api/v1/events?environment=production`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: batchOf(batch, batch % EXPOSURE_EVERY === 0 ? 'exposure' : 'track'),
  });
  if (!response.ok) throw new Error(await response.text());
  await response.arrayBuffer();
};

const perTurn = eventsPerSecond / EVENTS_OF_BATCH / TURNS_PER_SECOND;
for (;;) {
  const due = sleep(1_000 / TURNS_PER_SECOND);
  const url = target;
  const sent = url === null ? [] : Array.from({ length: perTurn }, () => send(url));
  await Promise.all([due, ...sent]);
}
