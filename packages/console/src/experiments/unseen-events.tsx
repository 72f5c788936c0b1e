import { t } from '../i18n/i18n.ts';
import type { ExperimentResponse } from './experiments.ts';

export type Warnings = ExperimentResponse['warnings'];

type UnseenEventsProps = {
  readonly warnings: Warnings;
  /** The metrics of the run, in the order in which the warnings number them. */
  readonly metrics: readonly { readonly metric: string }[];
};

/** The metrics of a run that has just begun whose events did not arrive of late. */
export const UnseenEvents = ({ warnings = [], metrics }: UnseenEventsProps) => {
  const unseen = warnings
    .filter(({ code }) => code === 'eventNotSeen')
    .flatMap(({ path }) => metrics[Number(path.split('.')[1])]?.metric ?? []);
  return unseen.length === 0 ? null : (
    <p className="warning" role="status">
      <strong>{t('flag.warning')}</strong> {t('experiments.unseen', { metrics: unseen.join(', ') })}
    </p>
  );
};
