import { FieldError } from '../api/errors.ts';
import { keyProblem } from './key-rule.ts';

/** Returns the text of a field, without white space around it. */
export const textOf = (form: FormData, name: string): string => {
  const value = form.get(name);
  return typeof value === 'string' ? value.trim() : '';
};

/** Returns the text of a field, or null for an empty one, which removes the value. */
export const textOrNull = (form: FormData, name: string): string | null =>
  textOf(form, name) || null;

/** Returns the number in a field, or null for an empty one. What is not a number is for the server to refuse. */
export const numberOrNull = (form: FormData, name: string): number | null => {
  const text = textOf(form, name);
  return text === '' ? null : Number(text);
};

/** Returns the lines of a field that are not empty. */
export const linesOf = (form: FormData, name: string): string[] =>
  textOf(form, name)
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '');

/** Returns the choice of a field, or undefined if it is not one of them. */
export const choiceOf = <Choice extends string>(
  form: FormData,
  name: string,
  choices: readonly Choice[],
): Choice | undefined => choices.find(choice => choice === form.get(name));

/** Returns the time in a field of the type `datetime-local`, in UTC. */
export const instantOf = (form: FormData, name: string): string | undefined => {
  const time = new Date(textOf(form, name));
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
};

/** Returns the key in the field `key`. Throws if it is not one, before the server refuses it. */
export const keyOf = (form: FormData): string => {
  const key = textOf(form, 'key');
  const problem = keyProblem(key);
  if (problem !== '') throw new FieldError('key', problem);
  return key;
};
