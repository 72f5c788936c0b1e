import { SpanHook } from '@openfeature/open-telemetry-hooks';
import { trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { expect, it } from 'vitest';

import { served, startApplication, startServing } from './support/application.ts';

const exporter = new InMemorySpanExporter();
trace.setGlobalTracerProvider(
  new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
);

it("OpenFeature's hook for OpenTelemetry records version and flag set", async () => {
  const { runtime, client, outcome } = startApplication();
  const evaluations = { f: served(true, { version: 4, ruleId: 'r1' }) };
  await startServing(runtime, { revision: 1, environment: 'production', evaluations });
  await outcome;
  client.addHooks(new SpanHook());
  client.getBooleanValue('f', false);
  expect(exporter.getFinishedSpans().map(span => span.attributes)).toMatchObject([
    {
      'feature_flag.key': 'f',
      'feature_flag.provider.name': 'pennon-web',
      'feature_flag.result.variant': 'on',
      'feature_flag.set.id': 'production',
      'feature_flag.version': 4,
      'feature_flag.context.id': 'ada',
    },
  ]);
});
