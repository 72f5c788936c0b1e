import { useState, type ClipboardEvent } from 'react';

import { isSame } from './document.ts';

type ParsedInputProps<Value> = {
  readonly id?: string;
  readonly label?: string | undefined;
  readonly value: Value;
  readonly parse: (text: string) => Value;
  readonly format: (value: Value) => string;
  readonly onChange: (value: Value) => void;
  /** Converts text that is pasted. */
  readonly onPaste?: (text: string) => string;
  readonly rows?: number | undefined;
  readonly list?: string | undefined;
  readonly placeholder?: string | undefined;
  readonly inputMode?: 'decimal' | 'text';
  readonly isInvalid?: boolean;
  readonly className?: string;
};

/** An input of a value that is not a text. It shows what was typed as long as that stands for the value. */
export const ParsedInput = <Value,>(props: ParsedInputProps<Value>) => {
  const { value, parse, format, onChange, onPaste, label, rows, isInvalid = false } = props;
  const [typed, setTyped] = useState(() => format(value));
  const text = isSame(parse(typed), value) ? typed : format(value);
  const change = (next: string): void => {
    setTyped(next);
    onChange(parse(next));
  };
  const shared = {
    id: props.id,
    'aria-label': label,
    'aria-invalid': isInvalid,
    className: `input ${props.className ?? ''}`,
    value: text,
    placeholder: props.placeholder,
    spellCheck: false,
    autoComplete: 'off',
  };
  if (rows === undefined)
    return (
      <input
        {...shared}
        list={props.list}
        inputMode={props.inputMode}
        onChange={({ target }) => change(target.value)}
      />
    );
  return (
    <textarea
      {...shared}
      rows={rows}
      onChange={({ target }) => change(target.value)}
      onPaste={(event: ClipboardEvent<HTMLTextAreaElement>) => {
        if (onPaste === undefined) return;
        event.preventDefault();
        const { selectionStart, selectionEnd } = event.currentTarget;
        const pasted = onPaste(event.clipboardData.getData('text'));
        change(text.slice(0, selectionStart) + pasted + text.slice(selectionEnd));
      }}
    />
  );
};
