import { Metric, MetricCreate, MetricKind, MetricPatch } from '@pennon/schema';

import { metricResource } from '../experiments/metric.ts';
import { resourceRouter, resourceSchemas } from './resource-router.ts';

const schemas = resourceSchemas({
  id: 'MetricResponse',
  document: Metric,
  create: MetricCreate,
  patch: MetricPatch,
  filter: { kind: MetricKind.optional() },
  options: { write: {}, copy: {} },
});

export const metrics = resourceRouter(metricResource, schemas);
