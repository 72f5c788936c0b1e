import { SpanHook } from '@openfeature/open-telemetry-hooks';
import { trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { beforeEach, describe, expect, it } from 'vitest';

import { startFakeServer } from './support/fake-server.ts';
import { booleanFlag, onIf } from './support/flags.ts';
import { openOn, startOn } from './support/open.ts';

const exporter = new InMemorySpanExporter();
trace.setGlobalTracerProvider(
  new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
);
beforeEach(() => exporter.reset());

const flags = { f: booleanFlag('f', false, { version: 4, rules: [onIf('plan', 'pro')] }) };
const context = { targetingKey: 'ada', plan: 'pro' };

const expected = {
  'feature_flag.key': 'f',
  'feature_flag.provider.name': 'pennon',
  'feature_flag.result.variant': 'on',
  'feature_flag.set.id': 'production',
  'feature_flag.version': 4,
  'feature_flag.context.id': 'ada',
};

const attributes = () => exporter.getFinishedSpans().map(span => span.attributes);

describe("OpenFeature's hook for OpenTelemetry", () => {
  it.each(['in-process', 'remote'] as const)('records version and flag set (%s)', async mode => {
    const { client } = await startOn(startFakeServer(flags), { mode });
    client.addHooks(new SpanHook());
    await client.getBooleanValue('f', false, context);
    await client.getBooleanValue('f', false, context);
    expect(attributes()).toMatchObject([expected, expected]);
    const reasons = attributes().map(each => each['feature_flag.result.reason']);
    expect(reasons).toEqual(['targeting_match', mode === 'remote' ? 'cached' : 'targeting_match']);
  });

  it('records them if the key can evaluate flags, but not read the flag set', async () => {
    const server = startFakeServer(flags);
    for (const route of ['stream', 'poll'] as const) server.behave({ status: 403 }, route);
    const { client, started } = openOn(server, { mode: 'remote' });
    await server.advance(0);
    await started;
    client.addHooks(new SpanHook());
    await client.getBooleanValue('f', false, context);
    expect(attributes()).toMatchObject([expected]);
  });
});
