import { Link } from '@tanstack/react-router';

import { t } from '../i18n/i18n.ts';
import { RampBadge } from './ramp-state.tsx';
import { isAtWork, shareAt, type Ramp } from './ramps.ts';

type RuleRampProps = { readonly environment: string; readonly ramp: Ramp };

/** The ramp of a rule, with how far it is. */
export const RuleRamp = ({ environment, ramp }: RuleRampProps) => {
  const { key, state, step, steps, treatment: variant } = ramp;
  return (
    <p className="rule-ramp">
      <RampBadge state={state} />
      <span>
        {isAtWork(ramp) ? t('ramps.drives') : t('ramps.prepared')}{' '}
        <Link to="/experiments/ramps/$key" params={{ key }} search={{ env: environment }}>
          <bdi>{key}</bdi>
        </Link>
        {isAtWork(ramp) &&
          ` · ${t('ramps.position', { step, count: steps.length, share: shareAt(ramp, step), variant })}`}
      </span>
    </p>
  );
};

/** Returns the ramp that decides about a rule, otherwise one that is prepared for it. */
export const rampOfRule = (ramps: readonly Ramp[], rule: string): Ramp | undefined => {
  const ofRule = ramps.filter(each => each.rule === rule);
  return ofRule.find(isAtWork) ?? ofRule.find(({ state }) => state === 'draft');
};
