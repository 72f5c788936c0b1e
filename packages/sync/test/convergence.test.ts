import fc from 'fast-check';
import { expect, it } from 'vitest';

import { changedNames, followFlagSet, followValues } from '../src/index.ts';
import type { FlagSet, FlagSetChanges, Values } from '../src/index.ts';
import { createFakeRuntime, frame } from './support/fake-runtime.ts';
import type { FakeRequest, FakeRuntime, FakeStream } from './support/fake-runtime.ts';

/** A change of one flag on the server, and what the network does to the event. */
type Step = {
  readonly flag: string;
  readonly value: number | null;
  readonly fate: 'delivered' | 'lost' | 'damaged' | 'duplicated' | 'delayed' | 'cut';
};

const steps = fc.array(
  fc.record<Step>({
    flag: fc.constantFrom('a', 'b', 'c'),
    value: fc.option(fc.integer({ min: 0, max: 3 }), { nil: null }),
    fate: fc.constantFrom(
      'delivered',
      'delivered',
      'lost',
      'damaged',
      'duplicated',
      'delayed',
      'cut',
    ),
  }),
  { maxLength: 12 },
);

type ServerState = { revision: number; flags: Record<string, number> };

/** How one kind of data is sent. */
type Protocol = {
  readonly first: (state: ServerState, lastEventId: string | null) => string;
  readonly change: (state: ServerState, flag: string, value: number | null) => string;
  readonly poll: (state: ServerState) => string;
};

const createServer = (runtime: FakeRuntime, protocol: Protocol) => {
  const state: ServerState = { revision: 1, flags: { a: 0 } };
  let stream: FakeStream | undefined;
  let delayed = '';

  const serve = async (request: FakeRequest) => {
    if (!request.url.endsWith('/stream')) return request.respond(200, protocol.poll(state));
    stream = await request.openStream();
    delayed = '';
    await stream.write(protocol.first(state, request.headers.get('last-event-id')));
  };
  const serveAll = async () => {
    while (runtime.pending.length > 0) await serve(await runtime.nextRequest());
  };
  const deliver = async (text: string, fate: Step['fate']) => {
    if (fate === 'cut') return stream?.cut();
    if (fate === 'lost') return;
    if (fate === 'damaged') return stream?.write(`${text.slice(0, -6)}\n\n`);
    const sent = fate === 'delayed' ? '' : text + (fate === 'duplicated' ? text : '') + delayed;
    delayed = fate === 'delayed' ? text : '';
    await stream?.write(sent);
  };
  return {
    state,
    serveAll,
    async apply({ flag, value, fate }: Step) {
      state.revision += 1;
      if (value === null) delete state.flags[flag];
      else state.flags[flag] = value;
      await deliver(protocol.change(state, flag, value), fate);
      await serveAll();
    },
    /** Serves a minute without faults, with its heartbeats. */
    async recover() {
      for (let second = 0; second < 60; second += 1) {
        await runtime.advance(1_000);
        await serveAll();
        if (second % 15 === 0) {
          await stream?.write(frame('heartbeat', { revision: state.revision }));
        }
      }
    },
  };
};

const idOf = (revision: number) => `epoch.${revision}.nonce`;
const flagSetOf = ({ revision, flags }: ServerState): FlagSet => ({
  formatVersion: 1,
  environment: 'production',
  id: idOf(revision),
  revision,
  flags: { ...flags },
  segments: {},
});

const flagSetProtocol: Protocol = {
  first: (state, lastEventId) =>
    lastEventId === idOf(state.revision)
      ? frame('current', { revision: state.revision }, idOf(state.revision))
      : frame('set', flagSetOf(state), idOf(state.revision)),
  change: ({ revision }, flag, value) =>
    frame(
      'change',
      { previous: idOf(revision - 1), revision, flags: { [flag]: value }, segments: {} },
      idOf(revision),
    ),
  poll: state => JSON.stringify(flagSetOf(state)),
};

/** Changed keys must be exactly those that a comparison of the data finds. */
const expectChanges = (
  keys: string[],
  previous: Values['evaluations'] | undefined,
  next: Values['evaluations'],
) => expect(keys.toSorted()).toEqual(changedNames(previous ?? {}, next).toSorted());

it('a follower ends up with the flag set of the server, even if events are lost or damaged', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async all => {
      const runtime = createFakeRuntime();
      const server = createServer(runtime, flagSetProtocol);
      let previous: FlagSet | undefined;
      const onData = (flagSet: FlagSet, changed: FlagSetChanges | undefined) => {
        if (changed !== undefined) expectChanges(changed.flags, previous?.flags, flagSet.flags);
        previous = flagSet;
      };
      const follower = followFlagSet({ url: 'http://flags.test', key: 'k', onData }, runtime);
      await server.serveAll();
      for (const step of all) await server.apply(step);
      await server.recover();
      expect(follower.data()).toEqual(flagSetOf(server.state));
      expect(follower.status().mode).toBe('streaming');
      follower.stop();
    }),
    { numRuns: 60 },
  );
});

const valuesOf = ({ revision, flags }: ServerState): Values => ({
  revision,
  evaluations: { ...flags },
});

const valuesProtocol: Protocol = {
  first: state => frame('values', valuesOf(state), idOf(state.revision)),
  change: ({ revision }, flag, value) =>
    frame('change', { revision, evaluations: { [flag]: value } }, idOf(revision)),
  poll: state => JSON.stringify(valuesOf(state)),
};

/** A connection delivers everything or breaks: a single event cannot vanish from it. */
const withoutLoss = (step: Step): Step => (step.fate === 'lost' ? { ...step, fate: 'cut' } : step);

/** A delayed event is noticed when the next one arrives, so the last one must be delivered. */
const withLastDelivered = (all: readonly Step[]): Step[] => {
  const last = all.at(-1);
  if (last === undefined || last.fate !== 'delayed') return [...all];
  return [...all, { ...last, fate: 'delivered' }];
};

it('a follower ends up with the values of the server, even if events are lost or damaged', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async all => {
      const runtime = createFakeRuntime();
      const server = createServer(runtime, valuesProtocol);
      let previous: Values | undefined;
      const onData = (values: Values, changed: string[] | undefined) => {
        if (changed !== undefined) {
          expectChanges(changed, previous?.evaluations, values.evaluations);
        }
        previous = values;
      };
      const follower = followValues(
        { url: 'http://flags.test', key: 'k', context: {}, onData },
        runtime,
      );
      await server.serveAll();
      for (const step of withLastDelivered(all.map(withoutLoss))) await server.apply(step);
      await server.recover();
      expect(follower.data()).toEqual(valuesOf(server.state));
      follower.stop();
    }),
    { numRuns: 60 },
  );
});
