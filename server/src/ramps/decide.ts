import type { RampReason } from '@pennon/schema';

import { findingsOf, type Finding } from './findings.ts';
import { blindnessOf, obstaclesOf, waitsOf, type Watched } from './waits.ts';

/** What the server does about a ramp. */
export type Decision =
  | { readonly act: 'hold' | 'advance' }
  | {
      readonly act: 'pause' | 'rollback' | 'warn';
      readonly reason: Omit<RampReason, 'at' | 'revision'>;
    };

const HOLD: Decision = { act: 'hold' };

/**
 * Decides about a ramp in this order: one that is not seen holds, one whose data cannot be trusted or that does harm is
 * stopped, and only one with neither advances, by one step. A paused ramp is still rolled back.
 */
export const decideRamp = (watched: Watched): Decision => {
  const { ramp, look } = watched;
  const [obstacle] = obstaclesOf(watched);
  if (obstacle !== undefined && ramp.state === 'running')
    return {
      act: 'pause',
      reason: {
        code: obstacle.code === 'flagDisabled' ? 'flagDisabled' : 'ruleChanged',
        text: obstacle.text,
      },
    };
  if (blindnessOf(watched).length > 0) return HOLD;
  const [finding] = look === undefined ? [] : newFindings(watched, findingsOf(ramp, look));
  if (finding !== undefined) {
    const { act, code, text, evidence } = finding;
    return { act, reason: { code, text, evidence } };
  }
  return ramp.state === 'running' && waitsOf(watched).length === 0 ? { act: 'advance' } : HOLD;
};

/** Leaves out what is done already: a warning is noted once, and a paused ramp is not paused again. */
const newFindings = ({ ramp }: Watched, findings: readonly Finding[]): Finding[] =>
  findings.filter(({ act, evidence }) => {
    if (act === 'pause') return ramp.state !== 'paused';
    return act === 'rollback' || !(ramp.noted ?? []).some(each => isSame(each.evidence, evidence));
  });

const isSame = (a: RampReason['evidence'], b: Finding['evidence']): boolean =>
  a?.kind === b.kind && (a.kind !== 'harm' || b.kind !== 'harm' || a.metric === b.metric);
