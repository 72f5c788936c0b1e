import { useQuery } from '@tanstack/react-query';

import type { Api } from '../api/api.ts';
import { Chevron } from '../components/icons.tsx';
import { MenuButton } from '../components/menu-button.tsx';
import { t } from '../i18n/i18n.ts';
import type { AttributeCondition, Condition, Json } from './document.ts';
import { flagOptions } from './flag-query.ts';
import {
  OPERANDS,
  OPERATOR_GROUPS,
  OPERATORS,
  parseValue,
  parseValues,
  toLines,
  VALUE_TYPES,
  valuesOf,
  valueTypeOf,
  withOperator,
  type Operand,
  type ValueType,
} from './operators.ts';
import { ParsedInput } from './parsed-input.tsx';
import { describeValue } from './sentence.ts';

/** What conditions can refer to. */
export type Sources = {
  readonly api: Api;
  readonly environment: string;
  /** The id of a list of attributes. */
  readonly attributes: string;
  readonly segments: readonly string[];
  /** The keys of the other flags. */
  readonly flags: readonly string[];
};

type ConditionListProps = {
  readonly conditions: readonly Condition[];
  readonly sources: Sources;
  readonly onChange: (conditions: readonly Condition[]) => void;
  /** Groups in which the list is. */
  readonly depth?: number;
};

/** The engine refuses deeper groups. */
const MAX_DEPTH = 5;

/** Conditions, one below the other. */
export const ConditionList = ({ conditions, sources, onChange, depth = 0 }: ConditionListProps) => (
  <div className="conditions">
    {conditions.map((condition, index) => (
      // A condition has no id, and its place identifies it.
      <div
        className="condition"
        role="group"
        aria-label={t('condition.number', { number: index + 1 })}
        key={index}
      >
        <NotSwitch
          condition={condition}
          onChange={changed => onChange(conditions.with(index, changed))}
        />
        <ConditionForm
          condition={condition}
          sources={sources}
          depth={depth}
          onChange={changed => onChange(conditions.with(index, changed))}
        />
        <button
          type="button"
          className="button quiet"
          aria-label={t('condition.remove')}
          onClick={() => onChange(conditions.toSpliced(index, 1))}
        >
          ✕
        </button>
      </div>
    ))}
    <AddCondition
      sources={sources}
      mayGroup={depth < MAX_DEPTH}
      onAdd={condition => onChange([...conditions, condition])}
    />
  </div>
);

type ConditionFormProps = {
  readonly condition: Condition;
  readonly sources: Sources;
  readonly depth: number;
  readonly onChange: (condition: Condition) => void;
};

const ConditionForm = ({ condition, sources, depth, onChange }: ConditionFormProps) => {
  if ('attribute' in condition)
    return (
      <AttributeForm condition={condition} attributes={sources.attributes} onChange={onChange} />
    );
  if ('segment' in condition)
    return (
      <Choice
        label={t('condition.segment')}
        value={condition.segment}
        choices={sources.segments}
        onChange={segment => onChange({ ...condition, segment })}
      />
    );
  if ('flag' in condition)
    return <FlagForm condition={condition} sources={sources} onChange={onChange} />;
  return <GroupForm condition={condition} sources={sources} depth={depth} onChange={onChange} />;
};

const NotSwitch = ({ condition, onChange }: Pick<ConditionFormProps, 'condition' | 'onChange'>) => (
  <select
    className="input not"
    aria-label={t('condition.not')}
    value={condition.not === true ? 'not' : 'is'}
    onChange={({ target }) => {
      const { not: _, ...positive } = condition;
      onChange(target.value === 'not' ? { ...condition, not: true } : positive);
    }}
  >
    <option value="is">{t('condition.holds')}</option>
    <option value="not">{t('condition.holdsNot')}</option>
  </select>
);

type ChoiceProps = {
  readonly label: string;
  readonly value: string;
  readonly choices: readonly string[];
  readonly onChange: (value: string) => void;
};

/** A choice of keys. It keeps a value that is not one of them, for the server to report. */
export const Choice = ({ label, value, choices, onChange }: ChoiceProps) => (
  <select
    className="input"
    aria-label={label}
    value={value}
    onChange={({ target }) => onChange(target.value)}
  >
    {(choices.includes(value) ? choices : [value, ...choices]).map(choice => (
      <option key={choice}>{choice}</option>
    ))}
  </select>
);

type AttributeFormProps = {
  readonly condition: AttributeCondition;
  readonly attributes: string;
  readonly onChange: (condition: AttributeCondition) => void;
};

const AttributeForm = ({ condition, attributes, onChange }: AttributeFormProps) => (
  <>
    <input
      className="input attribute"
      aria-label={t('condition.attribute')}
      list={attributes}
      value={condition.attribute}
      autoComplete="off"
      spellCheck={false}
      onChange={({ target }) => onChange({ ...condition, attribute: target.value })}
    />
    <select
      className="input operator"
      aria-label={t('condition.operator')}
      value={condition.operator}
      onChange={({ target }) => {
        const operator = OPERATORS.find(name => name === target.value);
        if (operator !== undefined) onChange(withOperator(condition, operator));
      }}
    >
      {OPERATOR_GROUPS.map(([group, operands]) => (
        <optgroup key={group} label={t(`operators.${group}`)}>
          {OPERATORS.filter(name => operands.some(each => each === OPERANDS[name])).map(name => (
            <option key={name} value={name}>
              {t(`operator.${name}`)}
            </option>
          ))}
        </optgroup>
      ))}
    </select>
    <OperandForm
      operand={OPERANDS[condition.operator]}
      value={condition.value}
      onChange={value => onChange({ ...condition, value })}
    />
  </>
);

type OperandFormProps = {
  readonly operand: Operand;
  readonly value: Json | undefined;
  readonly onChange: (value: Json) => void;
};

const PLACEHOLDERS: Readonly<Partial<Record<Operand, string>>> = {
  date: '2026-01-31T12:00:00Z',
  semver: '1.2.3',
  network: '10.0.0.0/8',
  pattern: '^team-',
};

const OperandForm = ({ operand, value, onChange }: OperandFormProps) => {
  if (operand === 'none') return null;
  if (operand === 'list' || operand === 'network')
    return <ListForm operand={operand} value={value} onChange={onChange} />;
  if (operand === 'scalar') return <ScalarForm value={value} onChange={onChange} />;
  return (
    <ParsedInput<Json>
      label={t('condition.value')}
      value={value ?? ''}
      parse={text => parseValue(text, operand === 'number' ? 'number' : 'text')}
      format={describeValue}
      inputMode={operand === 'number' ? 'decimal' : 'text'}
      placeholder={PLACEHOLDERS[operand]}
      onChange={onChange}
    />
  );
};

type ValueFormProps = Pick<OperandFormProps, 'value' | 'onChange'>;

const ScalarForm = ({ value, onChange }: ValueFormProps) => {
  const type = valueTypeOf(value);
  return (
    <>
      <TypeChoice type={type} onChange={next => onChange(convert(value ?? '', next))} />
      {type === 'boolean' ? (
        <Choice
          label={t('condition.value')}
          value={describeValue(value)}
          choices={['true', 'false']}
          onChange={text => onChange(text === 'true')}
        />
      ) : (
        <ParsedInput<Json>
          label={t('condition.value')}
          value={value ?? ''}
          parse={text => parseValue(text, type)}
          format={describeValue}
          onChange={onChange}
        />
      )}
    </>
  );
};

/** Returns a value of another type, as similar as possible. */
const convert = (value: Json, type: ValueType): Json => {
  if (type === 'boolean') return value === 'true' || value === true;
  return type === 'number' ? Number(value) || 0 : describeValue(value);
};

/** Longer lists scroll. */
const MAX_ROWS = 8;

const ListForm = ({ operand, value, onChange }: OperandFormProps) => {
  const values = valuesOf(value);
  const type = valueTypeOf(value);
  return (
    <>
      {operand === 'list' && values.length > 0 && (
        <TypeChoice
          type={type}
          onChange={next => onChange(values.map(each => convert(each, next)))}
        />
      )}
      <ParsedInput<readonly Json[]>
        label={t('condition.values', { count: values.length })}
        value={values}
        parse={text => parseValues(text, type)}
        format={all => all.map(describeValue).join('\n')}
        onPaste={toLines}
        rows={Math.min(Math.max(values.length + 1, 2), MAX_ROWS)}
        placeholder={PLACEHOLDERS[operand] ?? t('condition.onePerLine')}
        onChange={onChange}
      />
    </>
  );
};

const TypeChoice = ({
  type,
  onChange,
}: {
  readonly type: ValueType;
  readonly onChange: (type: ValueType) => void;
}) => (
  <select
    className="input value-type"
    aria-label={t('condition.type')}
    value={type}
    onChange={({ target }) => {
      const next = VALUE_TYPES.find(each => each === target.value);
      if (next !== undefined) onChange(next);
    }}
  >
    {VALUE_TYPES.map(each => (
      <option key={each} value={each}>
        {t(`valueType.${each}`)}
      </option>
    ))}
  </select>
);

type FlagFormProps = Pick<ConditionFormProps, 'sources' | 'onChange'> & {
  readonly condition: Extract<Condition, { flag: string }>;
};

const FlagForm = ({ condition, sources, onChange }: FlagFormProps) => {
  const { flag, variants } = condition;
  const { data } = useQuery(flagOptions(sources.api, sources.environment, flag));
  const names = [...new Set([...Object.keys(data?.variants ?? {}), ...variants])];
  return (
    <>
      <Choice
        label={t('condition.flag')}
        value={flag}
        choices={sources.flags}
        onChange={next => onChange({ ...condition, flag: next, variants: [] })}
      />
      <div className="choices" role="group" aria-label={t('condition.variants')}>
        {names.map(name => (
          <label key={name} className="check">
            <input
              type="checkbox"
              checked={variants.includes(name)}
              onChange={({ target }) =>
                onChange({
                  ...condition,
                  variants: names.filter(each =>
                    each === name ? target.checked : variants.includes(each),
                  ),
                })
              }
            />
            <bdi>{name}</bdi>
          </label>
        ))}
      </div>
    </>
  );
};

type GroupFormProps = Omit<ConditionFormProps, 'condition'> & {
  readonly condition: Extract<Condition, { any: unknown } | { all: unknown }>;
};

const GroupForm = ({ condition, sources, depth, onChange }: GroupFormProps) => {
  const isAny = 'any' in condition;
  const members = isAny ? condition.any : condition.all;
  const not = condition.not === true ? { not: true } : {};
  const change = (kind: string, list: readonly Condition[]): void =>
    onChange(kind === 'any' ? { any: list, ...not } : { all: list, ...not });
  return (
    <div className="condition-group">
      <select
        className="input"
        aria-label={t('condition.group')}
        value={isAny ? 'any' : 'all'}
        onChange={({ target }) => change(target.value, members)}
      >
        <option value="any">{t('condition.any')}</option>
        <option value="all">{t('condition.all')}</option>
      </select>
      <ConditionList
        conditions={members}
        sources={sources}
        depth={depth + 1}
        onChange={list => change(isAny ? 'any' : 'all', list)}
      />
    </div>
  );
};

type AddConditionProps = {
  readonly sources: Sources;
  readonly mayGroup: boolean;
  readonly onAdd: (condition: Condition) => void;
};

const newAttribute = (): Condition => ({ attribute: 'targetingKey', operator: 'in', value: [] });

/** Adds a condition of a kind for which there is something to refer to. */
const AddCondition = ({ sources: { segments, flags }, mayGroup, onAdd }: AddConditionProps) => {
  const [segment] = segments;
  const [flag] = flags;
  const choice = (name: 'attribute' | 'segment' | 'flag' | 'group', condition: Condition) => ({
    key: name,
    content: t(`condition.${name}`),
    onChoose: () => onAdd(condition),
  });
  return (
    <MenuButton
      className="button small"
      align="start"
      choices={[
        choice('attribute', newAttribute()),
        ...(segment === undefined ? [] : [choice('segment', { segment })]),
        ...(flag === undefined ? [] : [choice('flag', { flag, variants: [] })]),
        ...(mayGroup ? [choice('group', { any: [newAttribute()] })] : []),
      ]}
    >
      {t('condition.add')}
      <Chevron />
    </MenuButton>
  );
};
