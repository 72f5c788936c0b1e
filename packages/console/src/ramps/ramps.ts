import type { ApiInputs, ApiOutputs } from '@pennon/client';
import { queryOptions } from '@tanstack/react-query';

import type { Api } from '../api/api.ts';
import { isExplained } from '../api/errors.ts';
import { readAll } from '../api/pages.ts';
import { formatPercent } from '../i18n/format.ts';

export type Ramp = ApiOutputs['ramps']['list']['items'][number];
export type RampResponse = ApiOutputs['ramps']['get'];
export type RampStatus = ApiOutputs['ramps']['status'];
export type RampCreate = ApiInputs['ramps']['create'];
export type RampState = Ramp['state'];
export type RampReason = NonNullable<Ramp['reason']>;

/** What queries of the pages of ramps begin with. */
export const RAMPS_KEY = ['ramps'] as const;

/** An error that the server has explained would be the same again. */
const retry = (failures: number, error: Error): boolean => !isExplained(error) && failures < 2;

export const rampListOptions = ({ procedures }: Api, environment: string) =>
  queryOptions({
    queryKey: ['ramps', 'list', environment] as const,
    queryFn: () => readAll(page => procedures.ramps.list.query({ environment, ...page })),
    retry,
  });

/** The ramps of one flag. */
export const flagRampsOptions = ({ procedures }: Api, environment: string, flag: string) =>
  queryOptions({
    queryKey: ['ramps', 'flag', environment, flag] as const,
    queryFn: () => readAll(page => procedures.ramps.list.query({ environment, flag, ...page })),
    retry,
  });

export const rampOptions = ({ procedures }: Api, environment: string, key: string) =>
  queryOptions({
    queryKey: ['ramps', 'one', environment, key] as const,
    queryFn: () => procedures.ramps.get.query({ environment, key }),
    retry,
  });

export const statusOptions = ({ procedures }: Api, environment: string, key: string) =>
  queryOptions({
    queryKey: ['ramps', 'status', environment, key] as const,
    queryFn: () => procedures.ramps.status.query({ environment, key }),
    retry,
  });

/** Whether a ramp decides about its rule: it continues, or waits for a person. */
export const isAtWork = ({ state }: Pick<Ramp, 'state'>): boolean =>
  state === 'running' || state === 'paused';

export const isCompared = ({ guardrails }: Pick<Ramp, 'guardrails'>): boolean =>
  guardrails.length > 0;

const MINUTE_MS = 60_000;

/** Returns when the time of the current step is over, in milliseconds since 1970. */
export const holdEndOf = ({ steps, step, stepStartedAt }: Ramp): number | undefined => {
  const hold = steps[step - 1]?.holdMinutes;
  return hold === undefined || stepStartedAt === undefined
    ? undefined
    : Date.parse(stepStartedAt) + hold * MINUTE_MS;
};

export const PERCENT = 100;

/** Returns the share of the subjects that get the treatment at a step. After the last step all get it. */
export const shareAt = ({ steps }: Pick<Ramp, 'steps'>, step: number): string =>
  formatPercent(steps[step - 1]?.share ?? PERCENT);
