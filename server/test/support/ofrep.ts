import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setImmediate } from 'node:timers/promises';

import { expect } from 'vitest';

import { startProxy } from '../redis/proxy.ts';
import { endWithTests } from './process.ts';
import { startServer } from './server.ts';

/** Flags of all types, and flags that have no value for some or all contexts. */
const FLAGS: Readonly<Record<string, object>> = {
  boolean: { type: 'boolean', variants: { on: true, off: false }, defaultVariant: 'on' },
  text: { type: 'string', variants: { a: 'Ä 🦩' }, defaultVariant: 'a' },
  whole: { type: 'number', variants: { ten: 10 }, defaultVariant: 'ten' },
  fraction: { type: 'number', variants: { ten: 10, half: 0.5 }, defaultVariant: 'ten' },
  object: { type: 'object', variants: { a: { list: [1] } }, defaultVariant: 'a' },
  disabled: { type: 'boolean', enabled: false },
  'code-default': { type: 'string', variants: { a: 'a' }, defaultVariant: null },
  half: { type: 'boolean', rules: [{ id: 'half', percentage: 50, variant: 'on' }] },
  plan: {
    type: 'string',
    variants: { free: 'free', pro: 'pro' },
    defaultVariant: 'free',
    rules: [{ attribute: 'plan', operator: 'equals', value: 'pro', variant: 'pro' }],
  },
};

/** Starts a server with flags for the clients of OFREP, behind a network that can fail. */
export const startOfrepServer = async () => {
  const server = await startServer();
  const proxy = await startProxy(Number(new URL(await server.listen()).port));
  const put = async (key: string, flag: object): Promise<void> => {
    const body = { enabled: true, clientVisible: true, ...flag };
    const written = await server.api('PUT', `/flags/${key}`, { body });
    expect(written.status, written.text).toBeLessThan(300);
  };
  for (const [key, flag] of Object.entries(FLAGS)) await put(key, flag);
  return {
    server,
    proxy,
    url: `http://127.0.0.1:${proxy.port}`,
    keys: { client: await server.keyOf('client'), server: await server.keyOf('server') },
    /** Changes which of two variants the flag `live` serves. */
    putLive: (defaultVariant: 'a' | 'b') =>
      put('live', { type: 'string', variants: { a: 'a', b: 'b' }, defaultVariant }),
    async close() {
      await proxy.close();
      await server.close();
    },
  };
};

export type OfrepServer = Awaited<ReturnType<typeof startOfrepServer>>;

type Kind = 'boolean' | 'string' | 'integer' | 'float' | 'object';
export type Context = { readonly targetingKey?: string } & Readonly<Record<string, unknown>>;
type Details = Readonly<Record<'value' | 'variant' | 'reason' | 'errorCode', unknown>>;

/**
 * Starts a program that evaluates with the OFREP provider of its language. It reads one evaluation per line of
 * its input and prints the details of each as a line.
 */
export const startOfrepProgram = (command: string, args: readonly string[]) => {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  endWithTests(child);
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  child.stdin.on('error', () => undefined);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const evaluate = async (
    kind: Kind,
    flag: string,
    defaultValue: unknown,
    { targetingKey = '', ...attributes }: Context = { targetingKey: 'ada' },
  ): Promise<Details> => {
    const evaluation = { kind, flag, defaultValue, targetingKey, attributes };
    // A proxy listens a moment after it was healed.
    await setImmediate();
    child.stdin.write(`${JSON.stringify(evaluation)}\n`);
    const line = await lines.next();
    if (line.done === true) throw new Error(`the program ended: ${log}`);
    return JSON.parse(line.value);
  };
  return { evaluate, [Symbol.dispose]: () => void child.kill() };
};
