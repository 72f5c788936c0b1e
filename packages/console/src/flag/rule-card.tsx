import type { KeyboardEvent } from 'react';

import { Chevron } from '../components/icons.tsx';
import { MenuButton } from '../components/menu-button.tsx';
import { t } from '../i18n/i18n.ts';
import type { Ramp } from '../ramps/ramps.ts';
import { RuleRamp } from '../ramps/rule-ramp.tsx';
import type { Sources } from './condition-form.tsx';
import type { Rule } from './document.ts';
import { Findings } from './findings.tsx';
import { RuleForm, SplitBar } from './rule-form.tsx';
import { describeConditions, describeOutcome } from './sentence.ts';
import type { Finding } from './use-check.ts';

export type RuleAction = 'up' | 'down' | 'top' | 'duplicate' | 'release' | 'pause' | 'delete';

type RuleCardProps = {
  readonly rule: Rule;
  /** Its place, from 0. */
  readonly index: number;
  readonly variants: readonly string[];
  readonly sources: Sources;
  /** The ramp that decides about the rule, or will. */
  readonly ramp: Ramp | undefined;
  readonly isOpen: boolean;
  readonly mayWrite: boolean;
  readonly problems: readonly Finding[];
  readonly warnings: readonly Finding[];
  /** Those that have an effect at the place of the rule. */
  readonly actions: readonly RuleAction[];
  readonly onToggle: () => void;
  readonly onChange: (rule: Rule) => void;
  readonly onAction: (action: RuleAction) => void;
};

export const toggleId = ({ id }: Rule): string => `rule-${id}`;

const isField = (target: EventTarget): boolean =>
  target instanceof HTMLElement && target.matches('input, select, textarea');

/** A rule as a sentence, which opens into its parts. */
export const RuleCard = (props: RuleCardProps) => {
  const { rule, index, ramp, isOpen, mayWrite, problems, warnings, actions, onAction } = props;
  const move = (event: KeyboardEvent): void => {
    if (!event.altKey || isField(event.target)) return;
    const action = event.key === 'ArrowUp' ? 'up' : event.key === 'ArrowDown' ? 'down' : undefined;
    if (action === undefined || !mayWrite) return;
    event.preventDefault();
    if (actions.includes(action)) onAction(action);
  };
  return (
    <li className="rule" onKeyDown={move}>
      <div className="rule-head">
        <button
          type="button"
          id={toggleId(rule)}
          className="rule-toggle"
          aria-expanded={isOpen}
          aria-keyshortcuts="Alt+ArrowUp Alt+ArrowDown"
          onClick={props.onToggle}
        >
          <span className="rule-number">{index + 1}</span>
          <span className="rule-sentence">
            <bdi>{describeConditions(rule)}</bdi>
            <span aria-hidden="true"> → </span>
            <strong>
              <bdi>{describeOutcome(rule)}</bdi>
            </strong>
          </span>
        </button>
        {mayWrite && <RuleMenu index={index} actions={actions} onAction={onAction} />}
      </div>
      {rule.variant == null && <SplitBar split={rule.split ?? []} />}
      {ramp !== undefined && <RuleRamp environment={props.sources.environment} ramp={ramp} />}
      <Findings problems={problems} warnings={warnings} />
      {isOpen && (
        <fieldset className="rule-body" disabled={!mayWrite}>
          <legend className="sr-only">{t('rule.number', { number: index + 1 })}</legend>
          <RuleForm
            rule={rule}
            variants={props.variants}
            sources={props.sources}
            onChange={props.onChange}
          />
        </fieldset>
      )}
    </li>
  );
};

type RuleMenuProps = Pick<RuleCardProps, 'index' | 'actions' | 'onAction'>;

const RuleMenu = ({ index, actions, onAction }: RuleMenuProps) => (
  <MenuButton
    className="button quiet"
    label={t('rule.actions', { number: index + 1 })}
    align="end"
    choices={actions.map(action => ({
      key: action,
      content: t(`rule.action.${action}`),
      onChoose: () => onAction(action),
    }))}
  >
    <Chevron />
  </MenuButton>
);
