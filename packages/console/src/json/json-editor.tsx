import { useEffect, useEffectEvent, useId, useRef, useState } from 'react';

import { t } from '../i18n/i18n.ts';
import type { JsonInputProps, JsonProblem } from './json-input.tsx';
import { placeOf } from './json-places.ts';
import { createJsonView, type JsonView, type Mark } from './json-view.ts';

type PlacedProblem = JsonProblem & { readonly line: number | undefined };

const placed = (text: string, problems: readonly JsonProblem[]): readonly PlacedProblem[] =>
  problems.map(problem => {
    const place = placeOf(text, problem.path);
    return { ...problem, line: place === undefined ? undefined : lineAt(text, place) };
  });

const lineAt = (text: string, place: number): number => text.slice(0, place).split('\n').length;

const marksOf = (problems: readonly PlacedProblem[], kind: Mark['kind']): readonly Mark[] =>
  problems.flatMap(({ line }) => (line === undefined ? [] : [{ line, kind }]));

/** An editor of JSON with its problems, of which each names its line. */
export const JsonEditor = (props: JsonInputProps) => {
  const { label, text, isReadOnly = false, problems = [], warnings = [], onChange } = props;
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState<JsonView>();
  const placedProblems = placed(text, problems);
  const placedWarnings = placed(text, warnings);
  const marks = [...marksOf(placedProblems, 'problem'), ...marksOf(placedWarnings, 'warning')];
  const state = { text, label, isReadOnly, isInvalid: problems.length > 0, marks };
  const create = useEffectEvent((host: HTMLElement) => {
    const descriptions = [`${id}-keys`, `${id}-problems`].flatMap(
      each => document.getElementById(each) ?? [],
    );
    return createJsonView(host, { state, descriptions, onChange: change });
  });
  const change = useEffectEvent((next: string) => onChange(next));
  useEffect(() => {
    const host = box.current;
    if (host === null) return undefined;
    const created = create(host);
    setView(created);
    return () => created.destroy();
  }, []);
  const show = useEffectEvent((shown: JsonView) => shown.show(state));
  const key = JSON.stringify(state);
  useEffect(() => {
    if (view !== undefined) show(view);
  }, [view, key]);
  return (
    <div className="json-input">
      <div ref={box} className="json-editor code" data-size={props.size} />
      <div id={`${id}-problems`} role="status">
        <Problems problems={placedProblems} kind="error" onGoTo={line => view?.goTo(line)} />
        <Problems problems={placedWarnings} kind="warning" onGoTo={line => view?.goTo(line)} />
      </div>
      {!isReadOnly && (
        <p id={`${id}-keys`} className="hint">
          {t('json.keys')}
        </p>
      )}
    </div>
  );
};

type ProblemsProps = {
  readonly problems: readonly PlacedProblem[];
  readonly kind: 'error' | 'warning';
  readonly onGoTo: (line: number) => void;
};

const Problems = ({ problems, kind, onGoTo }: ProblemsProps) =>
  problems.length > 0 && (
    <ul className="findings">
      {problems.map(({ path = '', line, message }) => (
        <li key={`${path} ${message}`} className={kind}>
          {line !== undefined && (
            <>
              <button type="button" className="link" onClick={() => onGoTo(line)}>
                {t('json.line', { line })}
              </button>{' '}
            </>
          )}
          {kind === 'warning' && <strong>{t('flag.warning')} </strong>}
          <bdi>{message}</bdi>
        </li>
      ))}
    </ul>
  );
