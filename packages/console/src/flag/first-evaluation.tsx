import { useQuery } from '@tanstack/react-query';

import type { Api } from '../api/api.ts';
import { formatTime, t } from '../i18n/i18n.ts';

type FirstEvaluationProps = {
  readonly api: Api;
  readonly environment: string;
  readonly flag: string;
};

const REFRESH_MS = 2_000;

/** Whether an application has evaluated the flag. The first evaluation shows by itself. */
export const FirstEvaluation = ({ api, environment, flag }: FirstEvaluationProps) => {
  const { data } = useQuery({
    queryKey: ['usage', 'first', environment, flag] as const,
    queryFn: async () =>
      (await api.procedures.usage.get.query({ environment, flag })).lastEvaluated,
    refetchInterval: ({ state }) => (state.data == null ? REFRESH_MS : false),
  });
  return (
    <p role="status" className={data == null ? 'first-evaluation' : 'first-evaluation done'}>
      {data === undefined
        ? ''
        : data === null
          ? t('code.waiting')
          : t('code.evaluated', { time: formatTime(data) })}
    </p>
  );
};
