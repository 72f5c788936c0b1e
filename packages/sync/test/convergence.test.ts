import fc from 'fast-check';
import { expect, it } from 'vitest';

import { followFlagSet, followValues } from '../src/index.ts';
import type { FlagSet, Values } from '../src/index.ts';
import { createFakeWorld, frame } from './support/fake-runtime.ts';
import type { Call, FakeStream, FakeWorld } from './support/fake-runtime.ts';

/** What one step of a server does to one flag, and what the network does to the message about it. */
type Step = {
  readonly flag: string;
  readonly value: number | null;
  readonly fate: 'arrives' | 'is lost' | 'is damaged' | 'comes twice' | 'comes late' | 'cuts';
};

const steps = fc.array(
  fc.record<Step>({
    flag: fc.constantFrom('a', 'b', 'c'),
    value: fc.option(fc.integer({ min: 0, max: 3 }), { nil: null }),
    fate: fc.constantFrom(
      'arrives',
      'arrives',
      'is lost',
      'is damaged',
      'comes twice',
      'comes late',
      'cuts',
    ),
  }),
  { maxLength: 12 },
);

type Truth = { revision: number; flags: Record<string, number> };

/** How one kind of data travels. */
type Wire = {
  readonly first: (truth: Truth, lastEventId: string | null) => string;
  readonly change: (truth: Truth, flag: string, value: number | null) => string;
  readonly poll: (truth: Truth) => string;
};

const createServer = (world: FakeWorld, wire: Wire) => {
  const truth: Truth = { revision: 1, flags: { a: 0 } };
  let stream: FakeStream | undefined;
  let late = '';

  const serve = async (call: Call) => {
    if (!call.url.endsWith('/stream')) return call.answer(200, wire.poll(truth));
    stream = await call.open();
    late = '';
    await stream.write(wire.first(truth, call.headers.get('last-event-id')));
  };
  const serveAll = async () => {
    while (world.waiting.length > 0) await serve(await world.next());
  };
  const deliver = async (text: string, fate: Step['fate']) => {
    if (fate === 'cuts') return stream?.cut();
    if (fate === 'is lost') return;
    if (fate === 'is damaged') return stream?.write(`${text.slice(0, -6)}\n\n`);
    const arriving =
      fate === 'comes late' ? '' : text + (fate === 'comes twice' ? text : '') + late;
    late = fate === 'comes late' ? text : '';
    await stream?.write(arriving);
  };
  return {
    truth,
    serveAll,
    async step({ flag, value, fate }: Step) {
      truth.revision += 1;
      if (value === null) delete truth.flags[flag];
      else truth.flags[flag] = value;
      await deliver(wire.change(truth, flag, value), fate);
      await serveAll();
    },
    /** A minute passes with heartbeats, as every minute does. */
    async calm() {
      for (let beat = 0; beat < 60; beat += 1) {
        await world.advance(1_000);
        await serveAll();
        if (beat % 15 === 0) await stream?.write(frame('heartbeat', { revision: truth.revision }));
      }
    },
  };
};

const idOf = (revision: number) => `epoch.${revision}.nonce`;
const flagSetOf = ({ revision, flags }: Truth): FlagSet => ({
  formatVersion: 1,
  environment: 'production',
  id: idOf(revision),
  revision,
  flags: { ...flags },
  segments: {},
});

const flagSetWire: Wire = {
  first: (truth, lastEventId) =>
    lastEventId === idOf(truth.revision)
      ? frame('current', { revision: truth.revision }, idOf(truth.revision))
      : frame('set', flagSetOf(truth), idOf(truth.revision)),
  change: ({ revision }, flag, value) =>
    frame(
      'change',
      { previous: idOf(revision - 1), revision, flags: { [flag]: value }, segments: {} },
      idOf(revision),
    ),
  poll: truth => JSON.stringify(flagSetOf(truth)),
};

it('whatever becomes of the messages, a follower ends up with the flag set of the server', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async all => {
      const world = createFakeWorld();
      const server = createServer(world, flagSetWire);
      const follower = followFlagSet({ url: 'http://flags.test', key: 'k' }, world);
      await server.serveAll();
      for (const step of all) await server.step(step);
      await server.calm();
      expect(follower.data()).toEqual(flagSetOf(server.truth));
      expect(follower.status().mode).toBe('streaming');
      follower.stop();
    }),
    { numRuns: 60 },
  );
});

const valuesOf = ({ revision, flags }: Truth): Values => ({ revision, evaluations: { ...flags } });

const valuesWire: Wire = {
  first: truth => frame('values', valuesOf(truth), idOf(truth.revision)),
  change: ({ revision }, flag, value) =>
    frame('change', { revision, evaluations: { [flag]: value } }, idOf(revision)),
  poll: truth => JSON.stringify(valuesOf(truth)),
};

/** A connection delivers everything or breaks: that one message vanishes from within it does not happen. */
const withoutLoss = (step: Step): Step =>
  step.fate === 'is lost' ? { ...step, fate: 'cuts' } : step;

/** A message that comes late is noticed by the next one, or not needed if it says the newest. */
const heardInOrder = (all: readonly Step[]): Step[] => {
  const last = all.at(-1);
  if (last === undefined || last.fate !== 'comes late') return [...all];
  return [...all, { ...last, fate: 'arrives' }];
};

it('whatever becomes of the messages, a follower ends up with the values of the server', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async all => {
      const world = createFakeWorld();
      const server = createServer(world, valuesWire);
      const follower = followValues({ url: 'http://flags.test', key: 'k', context: {} }, world);
      await server.serveAll();
      for (const step of heardInOrder(all.map(withoutLoss))) await server.step(step);
      await server.calm();
      expect(follower.data()).toEqual(valuesOf(server.truth));
      follower.stop();
    }),
    { numRuns: 60 },
  );
});
