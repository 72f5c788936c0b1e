import { t } from '../i18n/i18n.ts';
import type { ExperimentState } from './experiments.ts';

/** The state of an experiment, in a word and a color. */
export const StateBadge = ({ state }: { readonly state: ExperimentState }) => (
  <span className={`badge ${state}`}>{t(`experiments.state.${state}`)}</span>
);
