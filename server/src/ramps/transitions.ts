import type { AuditAction, Flag, Ramp, RampReason } from '@pennon/schema';

import { formatInstant } from '../clock.ts';
import { unitOf } from '../experiments/design.ts';
import { serverFieldsAfter } from '../resources/plan.ts';
import { isAsWritten, ruleAt, ruleIn, variantsOf, withRule, withRuleBefore } from './rule.ts';

/** A ramp and its flag after a step. The flag is absent if it stays as it is. */
export type Transition = {
  readonly action: Extract<AuditAction, `ramp.${string}`>;
  readonly ramp: Ramp;
  readonly flag?: Flag;
};

/** What a step is made of: the ramp, its flag, and when. */
export type Current = { readonly ramp: Ramp; readonly flag: Flag; readonly at: number };

const changed = (ramp: Ramp, at: number, fields: Partial<Ramp>): Ramp => ({
  ...ramp,
  ...fields,
  ...serverFieldsAfter(ramp, at),
});

const without = (ramp: Ramp, ...names: readonly (keyof Ramp)[]): Ramp => {
  const rest = { ...ramp };
  for (const name of names) delete rest[name];
  return rest;
};

const flagAfter = (flag: Flag, at: number, next: Flag): Flag =>
  next === flag ? flag : { ...next, ...serverFieldsAfter(flag, at) };

/** Begins the first step of a new run. */
export const started = (
  { ramp, flag, at }: Current,
  run: { readonly id: string; readonly revision: number },
): Transition => {
  const before = ruleIn(flag, ramp) ?? null;
  const next = changed(without(ramp, 'reason', 'noted'), at, {
    state: 'running',
    step: 1,
    stepStartedAt: formatInstant(at),
    approved: false,
    before,
    run: {
      ...run,
      startedAt: formatInstant(at),
      unit: unitOf(before ?? {}),
      seed: before?.seed ?? flag.seed,
      variants: variantsOf(ramp),
    },
  });
  const written = flagAfter(flag, at, withRule(flag, ruleAt(next, 1)));
  return { action: 'ramp.start', ramp: next, flag: written };
};

/** Begins the next step. After the last one, all get the treatment. */
export const advanced = ({ ramp, flag, at }: Current): Transition => {
  const step = ramp.step + 1;
  const isLast = step > ramp.steps.length;
  const next = changed(ramp, at, {
    step,
    stepStartedAt: formatInstant(at),
    approved: false,
    ...(isLast && { state: 'completed', ...ended(ramp, at) }),
  });
  return {
    action: isLast ? 'ramp.complete' : 'ramp.advance',
    ramp: next,
    flag: flagAfter(flag, at, withRule(flag, ruleAt(next, step))),
  };
};

const ended = ({ run }: Ramp, at: number): Pick<Ramp, 'run'> =>
  run === undefined
    ? {}
    : {
        run: { ...run, enrolmentEndedAt: formatInstant(at), endedAt: formatInstant(at) },
      };

/** Writes the rule back as it was. `isRuleNeeded`: experiments of the flag need it in its place. */
export const rolledBack = (
  { ramp, flag, at }: Current,
  reason: RampReason,
  isRuleNeeded: boolean,
): Transition => {
  const written = flagAfter(flag, at, withRuleBefore(flag, ramp, isRuleNeeded));
  const explained = isAsWritten(ramp, flag)
    ? reason
    : { ...reason, text: `${reason.text} ${NOT_REPLACED}`, notReplaced: true };
  return {
    action: 'ramp.rollback',
    ramp: changed(ramp, at, { state: 'rolledBack', reason: explained, ...ended(ramp, at) }),
    ...(written !== flag && { flag: written }),
  };
};

const NOT_REPLACED =
  'Another caller has changed the rule, so it was not written back: it applies to no subject now.';

export const paused = ({ ramp, at }: Current, reason: RampReason): Transition => ({
  action: 'ramp.pause',
  ramp: changed(ramp, at, { state: 'paused', reason }),
});

/** Continues a step, whose time begins again: a step that was not watched proves nothing. */
export const resumed = ({ ramp, at }: Current): Transition => ({
  action: 'ramp.resume',
  ramp: changed(without(ramp, 'reason'), at, {
    state: 'running',
    stepStartedAt: formatInstant(at),
  }),
});

export const approved = ({ ramp, at }: Current): Transition => ({
  action: 'ramp.approve',
  ramp: changed(ramp, at, { approved: true }),
});

/** Notes a finding that only warns. */
export const noted = ({ ramp, at }: Current, reason: RampReason): Transition => ({
  action: 'ramp.warn',
  ramp: changed(ramp, at, { noted: [...(ramp.noted ?? []), reason] }),
});
