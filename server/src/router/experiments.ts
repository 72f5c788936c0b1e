import {
  Experiment,
  ExperimentCreate,
  ExperimentPatch,
  ExperimentState,
  Key,
} from '@pennon/schema';

import { experimentResource } from '../experiments/experiment.ts';
import { resourceRouter, resourceSchemas } from './resource-router.ts';

const schemas = resourceSchemas({
  id: 'ExperimentResponse',
  document: Experiment,
  create: ExperimentCreate,
  patch: ExperimentPatch,
  filter: { state: ExperimentState.optional(), flag: Key.optional() },
  options: { write: {}, copy: {} },
});

export const experiments = resourceRouter(experimentResource, schemas);
