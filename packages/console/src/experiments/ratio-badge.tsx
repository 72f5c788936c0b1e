import { t } from '../i18n/i18n.ts';
import type { ResultsHealth } from './experiments.ts';

type RatioBadgeProps = { readonly ratio: ResultsHealth['sampleRatio']['all'] | undefined };

/** Whether numbers of units fit the weights, in words. */
export const RatioBadge = ({ ratio }: RatioBadgeProps) => {
  if (ratio === undefined) return '–';
  return (
    <span className={ratio.mismatch ? 'badge worse' : 'badge'}>
      {t(ratio.mismatch ? 'health.mismatch' : 'health.fits')}
    </span>
  );
};
