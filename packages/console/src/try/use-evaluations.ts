import type { ApiOutputs } from '@pennon/client';
import { keepPreviousData, useQuery } from '@tanstack/react-query';

import type { Api } from '../api/api.ts';
import { useSettled } from '../app/use-settled.ts';
import type { Context } from '../flag/context.ts';
import { retryWhenBusy } from '../flag/use-check.ts';

export type Evaluation = ApiOutputs['evaluation']['evaluateAll']['evaluations'][string];

type Trial = {
  readonly environment: string;
  readonly context: Context | undefined;
  /** Names the state of all flags. */
  readonly revision: string;
};

/** Evaluates all flags of an environment for a context. */
export const useEvaluations = (api: Api, { environment, revision, ...trial }: Trial) => {
  const context = useSettled(trial.context);
  return useQuery({
    queryKey: ['try all', environment, context, revision] as const,
    queryFn: async (): Promise<readonly Evaluation[]> => {
      const input = { environment, context: context ?? {} };
      const { evaluations } = await api.procedures.evaluation.evaluateAll.mutate(input);
      return Object.values(evaluations);
    },
    enabled: context !== undefined,
    placeholderData: keepPreviousData,
    retry: retryWhenBusy,
  });
};
