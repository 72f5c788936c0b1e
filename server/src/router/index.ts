import { account } from './account.ts';
import { audit } from './audit.ts';
import { contexts } from './contexts.ts';
import { environments } from './environments.ts';
import { evaluation } from './evaluation.ts';
import { experiments } from './experiments.ts';
import { flags } from './flags.ts';
import { groups } from './groups.ts';
import { invitations } from './invitations.ts';
import { keys } from './keys.ts';
import { layers } from './layers.ts';
import { metrics } from './metrics.ts';
import { people } from './people.ts';
import { ramps } from './ramps.ts';
import { router } from './procedure.ts';
import { segments } from './segments.ts';
import { sessions } from './sessions.ts';
import { status } from './status.ts';
import { transfer } from './import-export.ts';
import { usage } from './usage.ts';

/** The whole API. tRPC serves it at /trpc; REST and OpenAPI are derived from its metadata. */
export const appRouter = router({
  flags,
  segments,
  metrics,
  experiments,
  layers,
  ramps,
  environments,
  contexts,
  keys,
  people,
  groups,
  invitations,
  sessions,
  account,
  audit,
  evaluation,
  status,
  transfer,
  usage,
});

export type AppRouter = typeof appRouter;
