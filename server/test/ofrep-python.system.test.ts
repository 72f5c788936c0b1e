import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';

import { startServer, type TestServer } from './support/server.ts';

const execute = promisify(execFile);

/** Prints the details of each evaluation, one line each. */
const PROGRAM = `
import json, sys
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

url, key, evaluations = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
headers = lambda: {"Authorization": f"Bearer {key}"}
api.set_provider(OFREPProvider(url, headers_factory=headers))
client = api.get_client()
for kind, flag, default, targeting_key, attributes in evaluations:
    evaluate = getattr(client, f"get_{kind}_details")
    default = float(default) if kind == "float" else default
    details = evaluate(flag, default, EvaluationContext(targeting_key, attributes))
    value = details.value
    print(json.dumps([type(value).__name__, value, details.variant, details.reason, details.error_code]))
`;

const folder = mkdtempSync(join(tmpdir(), 'pennon-ofrep-'));
const python = join(folder, 'venv', 'bin', 'python');
const hasVenv = spawnSync('python3', ['-m', 'venv', join(folder, 'venv')]).status === 0;
let server: TestServer;
let url: string;
let key: string;

const put = async (name: string, flag: object): Promise<void> => {
  const written = await server.api('PUT', `/flags/${name}`, { body: { enabled: true, ...flag } });
  expect(written.status, written.text).toBeLessThan(300);
};

beforeAll(async () => {
  if (!hasVenv) return;
  const packages = ['openfeature-provider-ofrep==0.3.0', 'openfeature-sdk==0.10.0'];
  await execute(python, ['-m', 'pip', 'install', '--quiet', '--no-input', ...packages]);
  server = await startServer();
  url = await server.listen();
  key = await server.keyOf('server');
  await put('boolean', { type: 'boolean', variants: { on: true }, defaultVariant: 'on' });
  await put('text', { type: 'string', variants: { a: 'Ä 🦩' }, defaultVariant: 'a' });
  await put('whole', { type: 'number', variants: { ten: 10 }, defaultVariant: 'ten' });
  await put('fraction', {
    type: 'number',
    variants: { ten: 10, half: 0.5 },
    defaultVariant: 'ten',
  });
  await put('object', { type: 'object', variants: { a: { list: [1] } }, defaultVariant: 'a' });
  await put('disabled', { type: 'boolean', enabled: false });
  await put('code-default', { type: 'string', variants: { a: 'a' }, defaultVariant: null });
  await put('half', { type: 'boolean', rules: [{ id: 'half', percentage: 50, variant: 'on' }] });
  await put('plan', {
    type: 'string',
    variants: { free: 'free', pro: 'pro' },
    defaultVariant: 'free',
    rules: [{ attribute: 'plan', operator: 'equals', value: 'pro', variant: 'pro' }],
  });
}, 180_000);
beforeEach(context => {
  if (!hasVenv) context.skip('python3 cannot create a virtual environment here');
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await server?.close();
});

type Request = readonly [
  kind: string,
  flag: string,
  defaultValue: unknown,
  targetingKey: string | null,
  attributes: object,
];

const evaluate = async (requests: readonly Request[], secret = key): Promise<unknown[]> => {
  const { stdout } = await execute(python, ['-c', PROGRAM, url, secret, JSON.stringify(requests)]);
  return stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
};

it('openfeature-provider-ofrep for Python receives values of all types', async () => {
  expect(
    await evaluate([
      ['boolean', 'boolean', false, 'ada', {}],
      ['string', 'text', '', 'ada', {}],
      ['integer', 'whole', 0, null, {}],
      ['float', 'fraction', 0, null, {}],
      ['object', 'object', {}, 'ada', {}],
      ['string', 'plan', '', 'ada', { plan: 'pro' }],
    ]),
  ).toEqual([
    ['bool', true, 'on', 'STATIC', null],
    ['str', 'Ä 🦩', 'a', 'STATIC', null],
    ['int', 10, 'ten', 'STATIC', null],
    ['float', 10, 'ten', 'STATIC', null],
    ['dict', { list: [1] }, 'a', 'STATIC', null],
    ['str', 'pro', 'pro', 'TARGETING_MATCH', null],
  ]);
});

it('openfeature-provider-ofrep for Python passes the default value in code', async () => {
  expect(
    await evaluate([
      ['boolean', 'disabled', true, 'ada', {}],
      ['string', 'code-default', 'mine', 'ada', {}],
    ]),
  ).toEqual([
    ['bool', true, '', 'DISABLED', null],
    ['str', 'mine', '', 'DEFAULT', null],
  ]);
});

it('openfeature-provider-ofrep for Python receives the codes of errors', async () => {
  expect(
    await evaluate([
      ['boolean', 'ghost', true, 'ada', {}],
      ['boolean', 'half', true, null, {}],
      ['boolean', 'text', true, 'ada', {}],
      // It takes only numbers with a fraction for floats, and this flag has integers.
      ['float', 'whole', 1, 'ada', {}],
    ]),
  ).toEqual([
    ['bool', true, null, 'ERROR', 'FLAG_NOT_FOUND'],
    ['bool', true, null, 'ERROR', 'TARGETING_KEY_MISSING'],
    ['bool', true, null, 'ERROR', 'TYPE_MISMATCH'],
    ['float', 1, null, 'ERROR', 'TYPE_MISMATCH'],
  ]);
  const refused = await evaluate([['boolean', 'boolean', false, 'ada', {}]], 'unknown');
  expect(refused).toEqual([['bool', false, null, 'ERROR', 'GENERAL']]);
});

it('openfeature-provider-ofrep for Python sees a change with the next evaluation', async () => {
  const request: Request = ['boolean', 'changing', false, 'ada', {}];
  await put('changing', { type: 'boolean', variants: { a: true, b: false }, defaultVariant: 'a' });
  expect(await evaluate([request])).toEqual([['bool', true, 'a', 'STATIC', null]]);
  await put('changing', { type: 'boolean', variants: { a: true, b: false }, defaultVariant: 'b' });
  expect(await evaluate([request])).toEqual([['bool', false, 'b', 'STATIC', null]]);
});
