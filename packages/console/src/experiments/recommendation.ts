import { formatTexts } from '../i18n/format.ts';
import { t } from '../i18n/i18n.ts';
import type { Results } from './experiments.ts';

const DAY_MS = 86_400_000;
const MINUTE_S = 60;

/** Returns what to do about an experiment, with the reason. */
export const recommendationText = (results: Results): string =>
  `${t(`results.outcome.${results.recommendation.outcome}`)} ${reasonText(results)}`;

/** Returns why a recommendation is what it is. */
export const reasonText = (results: Results): string => {
  const { reason } = results.recommendation;
  const variant = formatTexts([results.recommendation.variant ?? '']);
  const metrics = formatTexts(metricsOf(results));
  if (reason !== 'collecting') return t(`results.why.${reason}`, { variant, metrics });
  const { planned, asOf } = results;
  if (planned === null) return t('results.why.undecided');
  const days = Math.ceil((Date.parse(planned.end) - Date.parse(asOf)) / DAY_MS);
  return t('results.why.collecting', { days: Math.max(0, days) });
};

/** Returns the metrics that a reason is about. */
const metricsOf = ({ recommendation, guardrails, metrics }: Results): string[] => {
  const { reason, variant } = recommendation;
  if (reason === 'guardrail')
    return guardrails
      .filter(each => each.status === 'harming' && each.variant === variant)
      .map(({ metric }) => metric);
  return metrics
    .filter(({ role }) => role === 'primary')
    .filter(({ comparisons }) =>
      comparisons.some(each => each.variant === variant && each.outcome === reason),
    )
    .map(({ metric }) => metric);
};

const WARNINGS = [
  'early',
  'lag',
  'lateEvents',
  'noExposures',
  'noPromise',
  'withoutValue',
] as const;

/** Returns a warning in the language of the page, or as the server has worded it. */
export const warningText = (
  { lagSeconds }: Results,
  { code, text }: Results['warnings'][number],
): string => {
  const known = WARNINGS.find(each => each === code);
  if (known === undefined) return text;
  return t(`results.warning.${known}`, { minutes: Math.ceil(lagSeconds / MINUTE_S) });
};
