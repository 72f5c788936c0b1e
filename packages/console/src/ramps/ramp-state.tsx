import { t } from '../i18n/i18n.ts';
import type { RampState } from './ramps.ts';

/** The state of a ramp, in a word and a color. */
export const RampBadge = ({ state }: { readonly state: RampState }) => (
  <span className={`badge ${state}`}>{t(`ramps.state.${state}`)}</span>
);
