import { useId, useState } from 'react';

import { t } from '../i18n/i18n.ts';
import { JsonInput } from '../json/json-input.tsx';
import {
  ATTRIBUTE_TYPES,
  attributesOf,
  contextOf,
  parseContext,
  valueOf,
  type Attribute,
  type AttributeType,
  type Context,
} from './context.ts';
import { isSame } from './document.ts';

type ContextFormProps = {
  readonly attributes: readonly Attribute[];
  /** Names to suggest. */
  readonly names: readonly string[];
  readonly onChange: (attributes: readonly Attribute[]) => void;
};

/** A context as a form, or as JSON. */
export const ContextForm = ({ attributes, names, onChange }: ContextFormProps) => {
  const [isJson, setIsJson] = useState(false);
  const context = contextOf(attributes);
  return (
    <div className="context-form">
      <div className="segments" role="group" aria-label={t('try.form')}>
        <button
          type="button"
          className="button"
          aria-pressed={!isJson}
          onClick={() => setIsJson(false)}
        >
          {t('try.asForm')}
        </button>
        <button
          type="button"
          className="button"
          aria-pressed={isJson}
          aria-disabled={context === undefined}
          onClick={() => context !== undefined && setIsJson(true)}
        >
          {t('try.asJson')}
        </button>
      </div>
      {isJson && context !== undefined ? (
        <ContextJson context={context} onChange={next => onChange(attributesOf(next))} />
      ) : (
        <AttributeList attributes={attributes} names={names} onChange={onChange} />
      )}
    </div>
  );
};

const INDENTATION = 2;

const format = (context: Context): string => JSON.stringify(context, null, INDENTATION);

type ContextJsonProps = {
  readonly context: Context;
  readonly onChange: (context: Context) => void;
};

/** Shows what was typed until the context changes otherwise, as when a saved one is chosen. */
const ContextJson = ({ context, onChange }: ContextJsonProps) => {
  const [typed, setTyped] = useState(() => ({ text: format(context), context }));
  const text = isSame(typed.context, context) ? typed.text : format(context);
  const change = (next: string): void => {
    const parsed = parseContext(next);
    setTyped({ text: next, context: parsed ?? context });
    if (parsed !== undefined) onChange(parsed);
  };
  return (
    <JsonInput
      label={t('try.context')}
      text={text}
      size="medium"
      problems={parseContext(text) === undefined ? [{ message: t('try.invalidJson') }] : []}
      onChange={change}
    />
  );
};

const NEW_ATTRIBUTE: Attribute = { name: '', type: 'text', text: '' };

const AttributeList = ({ attributes, names, onChange }: ContextFormProps) => {
  const list = useId();
  return (
    <>
      <datalist id={list}>
        {names.map(name => (
          <option key={name}>{name}</option>
        ))}
      </datalist>
      {attributes.map((attribute, index) => (
        // Its place identifies an attribute while its name is edited.
        <div
          key={index}
          className="attribute-row"
          role="group"
          aria-label={t('try.attribute', { number: index + 1 })}
        >
          <AttributeForm
            attribute={attribute}
            list={list}
            onChange={next => onChange(attributes.with(index, next))}
          />
          <button
            type="button"
            className="button quiet"
            aria-label={t('try.removeAttribute', { name: attribute.name })}
            onClick={() => onChange(attributes.toSpliced(index, 1))}
          >
            ✕
          </button>
        </div>
      ))}
      <button
        type="button"
        className="button small"
        onClick={() => onChange([...attributes, NEW_ATTRIBUTE])}
      >
        {t('try.addAttribute')}
      </button>
    </>
  );
};

type AttributeFormProps = {
  readonly attribute: Attribute;
  /** The id of a list of names. */
  readonly list: string;
  readonly onChange: (attribute: Attribute) => void;
};

const AttributeForm = ({ attribute, list, onChange }: AttributeFormProps) => {
  const id = useId();
  const isInvalid = valueOf(attribute) === undefined;
  return (
    <>
      <input
        className="input"
        aria-label={t('condition.attribute')}
        list={list}
        value={attribute.name}
        autoComplete="off"
        spellCheck={false}
        onChange={({ target }) => onChange({ ...attribute, name: target.value })}
      />
      <select
        className="input"
        aria-label={t('condition.type')}
        value={attribute.type}
        onChange={({ target }) => {
          const type = ATTRIBUTE_TYPES.find(each => each === target.value);
          if (type !== undefined) onChange(withType(attribute, type));
        }}
      >
        {ATTRIBUTE_TYPES.map(type => (
          <option key={type} value={type}>
            {t(`valueType.${type}`)}
          </option>
        ))}
      </select>
      <AttributeValue attribute={attribute} errorId={id} onChange={onChange} />
      <p id={id} className="error">
        {isInvalid && t('try.invalidValue', { type: t(`valueType.${attribute.type}`) })}
      </p>
    </>
  );
};

/** A choice always has one of its values. */
const withType = (attribute: Attribute, type: AttributeType): Attribute => ({
  ...attribute,
  type,
  text: type === 'boolean' ? String(attribute.text === 'true') : attribute.text,
});

type AttributeValueProps = Omit<AttributeFormProps, 'list'> & { readonly errorId: string };

const AttributeValue = ({ attribute, errorId, onChange }: AttributeValueProps) => {
  const { type, text } = attribute;
  const shared = {
    className: 'input',
    'aria-label': t('condition.value'),
    'aria-describedby': errorId,
    'aria-invalid': valueOf(attribute) === undefined,
    value: text,
    onChange: ({ target }: { readonly target: { readonly value: string } }) =>
      onChange({ ...attribute, text: target.value }),
  };
  if (type === 'boolean')
    return (
      <select {...shared}>
        <option>true</option>
        <option>false</option>
      </select>
    );
  if (type === 'json') return <textarea {...shared} rows={2} spellCheck={false} />;
  return (
    <input
      {...shared}
      inputMode={type === 'number' ? 'decimal' : 'text'}
      autoComplete="off"
      spellCheck={false}
    />
  );
};
