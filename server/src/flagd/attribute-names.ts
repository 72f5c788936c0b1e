import { Unsupported } from './unsupported.ts';

/** Values that an attribute may have on the way to the last step of a path. */
const HOSTS: readonly unknown[] = [{}, [0], 'a', 0, true];

const property = (host: unknown, step: string): unknown =>
  host === undefined || host === null ? undefined : Reflect.get(Object(host), step);

/** Whether JavaScript finds something that no context has: `length` of a text, or the name of a method. */
const findsInherited = (host: unknown, steps: readonly string[]): boolean => {
  const reached = steps.reduce(property, host);
  return reached !== undefined && reached !== null && typeof reached !== 'function';
};

/**
 * Whether flagd reads the same attribute as Pennon by this name. It has no names with dots, only paths, but those
 * also lead through lists and texts.
 */
export const isSameAttribute = (name: string): boolean => {
  const steps = name.split('.');
  return (
    !/[\\/]/.test(name) &&
    !name.startsWith('$flagd') &&
    steps.every(step => step !== '' && step !== '__proto__') &&
    !steps.slice(1).some(step => /^[-+]?[0-9]/.test(step)) &&
    !steps.some((_, at) =>
      HOSTS.slice(0, at === 0 ? 1 : HOSTS.length).some(host =>
        findsInherited(host, steps.slice(at)),
      ),
    )
  );
};

/** Throws if flagd reads another attribute than Pennon by this name. */
export const requireSameAttribute = (name: string): void => {
  if (!isSameAttribute(name))
    throw new Unsupported(`flagd cannot read the attribute "${name}" as Pennon does`);
};
